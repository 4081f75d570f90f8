/** better-auth over HTTP: the few of its paths that our pages use, checked and counted before it sees them. */
import { appendAudit } from '@blyan/db/audit-log';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { readJson } from '../http/body.ts';
import { clientAddress } from '../http/client-address.ts';
import { notFound } from '../http/errors.ts';
import { type Attempt, beginAttempt } from './limits.ts';
import { assertOwnOrigin } from './origin.ts';
import { authOf, readSession } from './session.ts';

/** E-mail addresses and passwords are short. */
const MAX_BYTES = 8 * 1024;
const PREFIX = '/api/auth/';

/** The one path that takes an e-mail address, with the password that proves it. */
const SIGN_IN = 'sign-in/email';

/** What the audit log calls it; `proves`: it takes a password or a code, which one could guess. */
const PATHS: Record<string, { action: string | null; proves: boolean }> = {
  [SIGN_IN]: { action: 'admin.sign_in', proves: true },
  'two-factor/verify-totp': { action: 'admin.second_factor', proves: true },
  'two-factor/verify-backup-code': { action: 'admin.backup_code', proves: true },
  'two-factor/enable': { action: 'admin.two_factor_begin', proves: true },
  'two-factor/disable': { action: 'admin.two_factor_off', proves: true },
  'two-factor/generate-backup-codes': { action: 'admin.backup_codes', proves: true },
  'change-password': { action: 'admin.password', proves: true },
  'sign-out': { action: 'admin.sign_out', proves: false },
};

/** Of a second factor that completed a sign-in. */
const SignedIn = z.object({ user: z.object({ email: z.string() }) });

const Body = z.looseObject({
  // It goes into the audit log, whoever sent it.
  email: z
    .string()
    .max(320)
    .regex(/^\P{Cc}*$/u)
    .optional(),
});

/** @throws ApiError 403 for another site's request, 404, 413, 429 */
export async function handleAuth(request: Request, ctx: Context): Promise<Response> {
  const auth = authOf(ctx);
  const name = new URL(request.url).pathname.slice(PREFIX.length);
  const path = Object.hasOwn(PATHS, name) ? PATHS[name] : undefined;
  if (!path) throw notFound('unknown_path', 'There is nothing at this address.');
  assertOwnOrigin(request.headers, ctx.config.publicOrigin);
  const { trustDevice: _, ...body } = Body.parse(await readJson(request, MAX_BYTES));
  const address = clientAddress(request.headers);
  const session = await readSession(ctx, request.headers);
  const claimed = name === SIGN_IN ? (body.email?.trim().toLowerCase() ?? null) : null;
  const account = claimed ?? session?.email ?? null;
  const attempt: Attempt | null = path.proves
    ? await beginAttempt(ctx.redis, { address, account })
    : null;
  const headers = new Headers(request.headers);
  headers.delete('content-length');
  const response = await auth.handler(
    new Request(request.url, { method: 'POST', headers, body: JSON.stringify(body) }),
  );
  if (response.ok) await attempt?.succeeded();
  // Signing out without being signed in is nothing that anybody did.
  if (path.action && (path.proves || session)) {
    const email = account ?? (response.ok ? await signedIn(response) : null);
    const action = response.ok ? path.action : `${path.action}_failed`;
    const actor = { kind: 'admin', id: email ?? undefined, address } as const;
    await appendAudit(ctx.db, { actor, action, subject: `admin:${email ?? 'unknown'}` });
  }
  return response;
}

async function signedIn(response: Response): Promise<string | null> {
  const body: unknown = await response.clone().json();
  return SignedIn.safeParse(body).data?.user.email ?? null;
}
