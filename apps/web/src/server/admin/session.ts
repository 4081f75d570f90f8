/** Who is signed in, and whether that was proved just now. */
import type { Actor } from '@blyan/db/audit-log';
import type { Context } from '../context.ts';
import { clientAddress } from '../http/client-address.ts';
import { ApiError, unavailable } from '../http/errors.ts';
import type { Auth } from './auth.ts';

/** Keys are created and rotated only so long after password and second factor were given. */
export const CONFIRMED_MS = 5 * 60_000;

export interface AdminSession {
  id: string;
  token: string;
  userId: string;
  email: string;
  name: string;
  twoFactor: boolean;
  /** Unix ms of the sign-in or of the last confirmation. */
  confirmedAt: number;
  actor: Actor;
}

/** @throws ApiError 503 when the server has no secret for sessions */
export function authOf(ctx: Pick<Context, 'auth'>): Auth {
  if (ctx.auth) return ctx.auth;
  throw unavailable(
    'admin_disabled',
    'Nobody can sign in here: set BETTER_AUTH_SECRET for the web app, for example to the output of openssl rand -hex 32.',
  );
}

export async function readSession(
  ctx: Pick<Context, 'auth'>,
  headers: Headers,
): Promise<AdminSession | null> {
  const found = await authOf(ctx).api.getSession({ headers });
  if (!found) return null;
  const { session, user } = found;
  const confirmed = [session.createdAt, session.confirmedAt].map((at) => Number(at ?? 0));
  return {
    id: session.id,
    token: session.token,
    userId: user.id,
    email: user.email,
    name: user.name,
    twoFactor: user.twoFactorEnabled === true,
    confirmedAt: Math.max(...confirmed),
    actor: { kind: 'admin', id: user.email, address: clientAddress(headers) },
  };
}

/** @throws ApiError 401 */
export async function requireSession(
  ctx: Pick<Context, 'auth'>,
  headers: Headers,
): Promise<AdminSession> {
  const session = await readSession(ctx, headers);
  if (session) return session;
  throw new ApiError(401, 'not_signed_in', 'Sign in at /admin/sign-in.');
}

/** @throws ApiError 403 with the code by which pages ask for the password again */
export function requireConfirmed(session: AdminSession, now = Date.now()): void {
  if (now - session.confirmedAt < CONFIRMED_MS) return;
  throw new ApiError(403, 'confirmation_required', 'Enter your password again to do this.');
}
