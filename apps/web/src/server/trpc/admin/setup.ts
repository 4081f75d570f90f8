/** Becoming an admin by a one-time link. The only part of this router without a session. */
import { acceptInvite, assertInviteOpen, isInviteOpen } from '@blyan/db/admins';
import { hashPassword } from 'better-auth/crypto';
import { z } from 'zod';
import { PASSWORD_MAX, PASSWORD_MIN } from '../../admin/auth.ts';
import { beginAttempt } from '../../admin/limits.ts';
import { authOf } from '../../admin/session.ts';
import { clientAddress } from '../../http/client-address.ts';
import { procedure, router } from '../init.ts';

const Token = z.string().min(1).max(64);

export const setupRouter = router({
  /** A mutation, so that the token is in a body and not in an address that servers log. */
  check: procedure
    .input(z.object({ token: Token }))
    .mutation(async ({ ctx, input }) => ({ open: await isInviteOpen(ctx.db, input.token) })),

  accept: procedure
    .input(
      z.object({
        token: Token,
        name: z
          .string()
          .trim()
          .min(1)
          .max(64)
          .regex(/^\P{Cc}*$/u),
        email: z.email().max(254).toLowerCase(),
        password: z
          .string()
          .min(PASSWORD_MIN, `A password has at least ${PASSWORD_MIN} characters.`)
          .max(PASSWORD_MAX),
      }),
    )
    .mutation(async ({ ctx, input: { password, ...input } }) => {
      authOf(ctx);
      const address = clientAddress(ctx.headers ?? new Headers());
      const attempt = await beginAttempt(ctx.redis, { address, account: null });
      // Hashing takes a tenth of a second: not for a link that is over.
      await assertInviteOpen(ctx.db, input.token);
      const passwordHash = await hashPassword(password);
      await acceptInvite(ctx.db, { ...input, passwordHash }, address);
      await attempt.succeeded();
    }),
});
