/** An admin's own account: confirming who one is, sessions, other admins' links. */

import { createInvite, setupPath } from '@blyan/db/admins';
import { appendAudit } from '@blyan/db/audit-log';
import { z } from 'zod';
import { confirmSession } from '../../admin/confirm.ts';
import { CONFIRMED_MS } from '../../admin/session.ts';
import { router } from '../init.ts';
import { adminProcedure, confirmedProcedure } from './procedures.ts';

export const accountRouter = router({
  me: adminProcedure.query(({ ctx: { session } }) => ({
    name: session.name,
    email: session.email,
    twoFactor: session.twoFactor,
    /** Unix ms until which keys can be created without giving the password again. */
    confirmedUntil: session.confirmedAt + CONFIRMED_MS,
  })),

  confirm: adminProcedure
    .input(z.object({ password: z.string().max(1000), code: z.string().trim().max(16).optional() }))
    .mutation(({ ctx, input }) => confirmSession(ctx, ctx.session, input)),

  sessions: adminProcedure.query(async ({ ctx: { db, session } }) => {
    const rows = await db.adminSession.findMany({
      where: { userId: session.userId, expiresAt: { gt: new Date() } },
      orderBy: { createdAt: 'desc' },
      // Neither token: whoever reads this list must not become the other session.
      select: { id: true, createdAt: true, expiresAt: true, ipAddress: true, userAgent: true },
    });
    return rows.map((row) => ({ ...row, current: row.id === session.id }));
  }),

  endSession: adminProcedure
    .input(z.object({ id: z.string().max(64) }))
    .mutation(async ({ ctx: { db, session, actor }, input }) => {
      await db.$transaction(async (tx) => {
        const { count } = await tx.adminSession.deleteMany({
          where: { id: input.id, userId: session.userId },
        });
        const subject = `admin:${session.email}`;
        if (count > 0) await appendAudit(tx, { actor, action: 'admin.session_end', subject });
      });
    }),

  /** A one-time link for one further admin; the page puts its own address before it. */
  invite: confirmedProcedure.mutation(async ({ ctx }) => {
    const { token, expiresAt } = await createInvite(ctx.db, ctx.actor);
    return { path: setupPath(token), expiresAt };
  }),
});
