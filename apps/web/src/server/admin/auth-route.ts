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

/** What the audit log calls it; `proves`: it takes a password or a code, which one could guess. */
const PATHS: Record<string, { action: string | null; proves: boolean }> = {
  'sign-in/email': { action: 'admin.sign_in', proves: true },
  'two-factor/verify-totp': { action: 'admin.second_factor', proves: true },
  'two-factor/verify-backup-code': { action: 'admin.backup_code', proves: true },
  'two-factor/enable': { action: 'admin.two_factor_begin', proves: true },
  'two-factor/disable': { action: 'admin.two_factor_off', proves: true },
  'two-factor/generate-backup-codes': { action: 'admin.backup_codes', proves: true },
  'change-password': { action: 'admin.password', proves: true },
  'sign-out': { action: 'admin.sign_out', proves: false },
};

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
  const email = session?.email ?? body.email?.trim().toLowerCase() ?? null;
  const attempt: Attempt | null = path.proves
    ? await beginAttempt(ctx.redis, { address, account: email })
    : null;
  const headers = new Headers(request.headers);
  headers.delete('content-length');
  const response = await auth.handler(
    new Request(request.url, { method: 'POST', headers, body: JSON.stringify(body) }),
  );
  if (response.ok) await attempt?.succeeded();
  if (path.action) {
    const action = response.ok ? path.action : `${path.action}_failed`;
    const actor = { kind: 'admin', id: email ?? undefined, address } as const;
    await appendAudit(ctx.db, { actor, action, subject: `admin:${email ?? 'unknown'}` });
  }
  return response;
}
