/** A node stays: its lease is renewed as long as its key is good and no admin is against it. */
import type { NodeKey } from '@blyan/db/client';
import { keyState } from '@blyan/db/node-keys';
import type { HeartbeatRequest, HeartbeatResponse } from '@blyan/protocol/register';
import { ApiError } from '../http/errors.ts';
import type { GateDeps } from './deps.ts';
import { bearerOf } from './key.ts';
import { leaseEnd, leaseOf } from './register.ts';
import { gateSecret, type LeaseClaim, readLeaseToken } from './tokens.ts';

/** A clock that is off by so much is said: deadlines are times of day. */
const CLOCK_MS = 5000;

/** @throws ApiError 401 lease_unknown: it ended, or never was; register again */
export async function heartbeat(
  { nodeId, now: theirs }: HeartbeatRequest,
  headers: Headers,
  { db, redis, logger }: GateDeps,
): Promise<HeartbeatResponse> {
  const now = Date.now();
  const gate = await gateSecret(redis);
  const claim = readLeaseToken(gate, nodeId, bearerOf(headers) ?? '');
  if (!claim) throw leaseUnknown();
  const { registeredAt } = claim;
  const node = await db.node.findUnique({ where: { id: nodeId }, include: { key: true } });
  if (!node?.key || keyState(node.key) !== 'active' || node.evictedAt || node.mark !== null)
    throw leaseUnknown();
  const goodUntil = endOf(claim, node.key);
  // Conditional: what was ended meanwhile stays so.
  const { count } = await db.node.updateMany({
    where: { id: nodeId, registeredAt: new Date(registeredAt), leaseUntil: { gt: new Date(now) } },
    data: { leaseUntil: leaseEnd(goodUntil, now), lastSeenAt: new Date(now) },
  });
  if (count === 0) throw leaseUnknown();
  if (Math.abs(theirs - now) > CLOCK_MS)
    logger.warn({ nodeId, aheadMs: theirs - now }, 'the clock of a node is wrong');
  const wish = node.draining ? 'drain' : 'serve';
  return { lease: leaseOf(gate, nodeId, { registeredAt, goodUntil }), now, wish };
}

/**
 * Unix ms at which the secret that a node registered with ends; 0 is never. A rotation since then gave
 * it an end that its claim does not know.
 */
function endOf(
  { registeredAt, goodUntil }: LeaseClaim,
  { rotatedAt, previousUntil }: Pick<NodeKey, 'rotatedAt' | 'previousUntil'>,
): number {
  if (!rotatedAt || rotatedAt.getTime() <= registeredAt) return goodUntil;
  if (!previousUntil) throw leaseUnknown();
  const end = previousUntil.getTime();
  return goodUntil > 0 ? Math.min(goodUntil, end) : end;
}

const leaseUnknown = () =>
  new ApiError(401, 'lease_unknown', 'There is no such lease (any more); register again.');
