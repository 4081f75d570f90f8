/** The key of a request of a node, and what its refusals are called. */
import { appendAudit } from '@blyan/db/audit-log';
import { ensureMachineKey, type KeyRefusal } from '@blyan/db/node-keys';
import { ApiError } from '../http/errors.ts';
import { countRefusal } from './attempts.ts';
import type { GateDeps } from './deps.ts';

/**
 * From `Authorization: Bearer` or `X-API-Key`.
 * @throws ApiError 401 missing_api_key
 */
export function keyOf(headers: Headers): string {
  const key = bearerOf(headers) ?? headers.get('x-api-key');
  if (key) return key;
  throw new ApiError(
    401,
    'missing_api_key',
    'Send the key as "Authorization: Bearer KEY" or "X-API-Key: KEY".',
    { headers: { 'www-authenticate': 'Bearer' } },
  );
}

export const bearerOf = (headers: Headers): string | null =>
  /^Bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;

/** Written by the server from the connection, in front of everything that reads it. */
export const addressOf = (headers: Headers): string => headers.get('x-forwarded-for') ?? '';

const REFUSALS: Record<KeyRefusal, [status: number, code: string, message: string]> = {
  unknown: [401, 'invalid_api_key', 'The key is wrong.'],
  expired: [403, 'key_expired', 'The key has expired; ask an admin for another one.'],
  disabled: [403, 'key_disabled', 'The key is disabled; an admin can enable it.'],
  revoked: [403, 'key_revoked', 'The key was revoked; ask an admin for another one.'],
  address_not_allowed: [
    403,
    'key_address_not_allowed',
    'The key is not good for the address that this came from.',
  ],
  // It may be over in a minute: the lease of a node that is gone ends.
  too_many_nodes: [
    429,
    'key_nodes_exhausted',
    'All nodes that the key allows are registered; a lease ends one minute after its node is gone.',
  ],
};

export function keyRefused(reason: KeyRefusal): ApiError {
  const [status, code, message] = REFUSALS[reason];
  return new ApiError(
    status,
    code,
    message,
    status === 401 ? { headers: { 'www-authenticate': 'Bearer' } } : {},
  );
}

/** The main node's own key is one like all others, as soon as it is used. */
export async function knowMachineKey(
  secret: string,
  { config, db }: Pick<GateDeps, 'db' | 'config'>,
): Promise<void> {
  if (secret === config.apiKey) await ensureMachineKey(db, { secret, scopes: ['serve', 'blobs'] });
}

/** Counts a refusal and puts it into the audit log; returns it to be thrown. */
export async function refused(
  error: ApiError,
  { nodeId, address, key }: { nodeId?: string; address: string; key?: string | undefined },
  { db, redis, logger }: Pick<GateDeps, 'db' | 'redis' | 'logger'>,
): Promise<ApiError> {
  const { code } = error;
  if (await countRefusal(redis, address, code)) {
    logger.warn({ nodeId, address, key, code }, 'a node was refused');
    await appendAudit(db, {
      actor: { kind: 'node', id: nodeId, address },
      action: 'node.refuse',
      subject: nodeId ? `node:${nodeId}` : 'node',
      after: { code, key },
    });
  }
  return error;
}
