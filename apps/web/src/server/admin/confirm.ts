import { verifyPassword } from 'better-auth/crypto';
import { clientAddress } from '../http/client-address.ts';
import { ApiError } from '../http/errors.ts';
import type { TrpcContext } from '../trpc/init.ts';
import { beginAttempt } from './limits.ts';
import { type AdminSession, authOf } from './session.ts';

/**
 * Marks a session as confirmed now, by the password and, where it is on, a code of the second factor.
 * @throws ApiError 400 `wrong_password` or `wrong_code`, 429
 */
export async function confirmSession(
  ctx: Pick<TrpcContext, 'auth' | 'db' | 'redis' | 'headers'>,
  session: AdminSession,
  { password, code }: { password: string; code?: string | undefined },
): Promise<void> {
  const headers = ctx.headers ?? new Headers();
  const address = clientAddress(headers);
  const attempt = await beginAttempt(ctx.redis, { address, account: session.email });
  const account = await ctx.db.adminAccount.findFirst({
    where: { userId: session.userId, providerId: 'credential' },
    select: { password: true },
  });
  const hash = account?.password;
  if (!hash || !(await verifyPassword({ hash, password })))
    throw new ApiError(400, 'wrong_password', 'The password is wrong.', { param: 'password' });
  if (session.twoFactor) {
    const verified = await authOf(ctx)
      .api.verifyTOTP({ body: { code: code ?? '' }, headers })
      .then(
        () => true,
        () => false,
      );
    if (!verified)
      throw new ApiError(400, 'wrong_code', 'The code is wrong, or was for another half minute.', {
        param: 'code',
      });
  }
  await ctx.db.adminSession.update({
    where: { id: session.id },
    data: { confirmedAt: new Date() },
  });
  await attempt.succeeded();
}
