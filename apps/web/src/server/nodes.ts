/** Registration of GPU nodes with the shared key. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isStorable } from '@blyan/protocol/api';
import { HEARTBEAT_MS, type RegisterRequest, type RegisterResponse } from '@blyan/protocol/node';
import { tellCoordinator } from '@blyan/queue/control';
import type { Context } from './context.ts';
import { ApiError, unavailable } from './http/errors.ts';

/** Equal length for any two keys, so that the comparison tells nothing, not even that. */
const digest = (text: string) => createHash('sha256').update(text).digest();

function keyOf(headers: Headers): string | null {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  return bearer ?? headers.get('x-api-key');
}

/** @throws ApiError 503 when there is no key to compare with, 401 when it is another one */
export function checkKey(headers: Headers, expected: string | null): void {
  if (expected === null)
    throw unavailable(
      'registration_disabled',
      'This main node takes no workers: set BLYAN_API_KEY for it and for the worker.',
    );
  const key = keyOf(headers);
  if (key === null)
    throw new ApiError(
      401,
      'missing_api_key',
      'Send the key as "Authorization: Bearer KEY" or "X-API-Key: KEY".',
      { headers: { 'www-authenticate': 'Bearer' } },
    );
  if (!timingSafeEqual(digest(key), digest(expected)))
    throw new ApiError(401, 'invalid_api_key', 'The key is wrong.', {
      headers: { 'www-authenticate': 'Bearer' },
    });
}

export async function registerNode(
  { nodeId, version, host }: RegisterRequest,
  headers: Headers,
  ctx: Context,
): Promise<RegisterResponse> {
  checkKey(headers, ctx.config.apiKey);
  if (!isStorable(version + (host ?? '')))
    throw new ApiError(400, 'invalid_value', 'version and host: expected Unicode without NUL.');
  const genesis = await ctx.models.genesis();
  if (!genesis) throw unavailable('no_chain', 'The chain has no genesis block yet.');
  const seen = { version, host: host ?? null, lastSeenAt: new Date() };
  await ctx.db.node.upsert({
    where: { id: nodeId },
    create: { id: nodeId, ...seen },
    update: seen,
  });
  await tellCoordinator(ctx.redis, { type: 'node', nodeId });
  return { nodeId, genesis, redisUrl: ctx.config.nodeRedisUrl, heartbeatMs: HEARTBEAT_MS };
}
