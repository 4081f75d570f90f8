/**
 * A node joins: its key is good, it proves to be who has this name, and gets a lease, and with it a
 * Redis user that lives as long as the lease.
 */
import { createPublicKey, verify } from 'node:crypto';
import { appendAudit } from '@blyan/db/audit-log';
import type { Node, Tx } from '@blyan/db/client';
import { type KeyInfo, verifyNodeKey } from '@blyan/db/node-keys';
import { HEARTBEAT_MS } from '@blyan/protocol/node';
import {
  CHALLENGE_MS,
  type ChallengeRequest,
  type ChallengeResponse,
  challengeText,
  LEASE_MS,
  LEASE_RENEW_MS,
  type NodeLease,
  type RegisterRequest,
  type RegisterResponse,
} from '@blyan/protocol/register';
import { tellCoordinator } from '@blyan/queue/control';
import { createNodeUser, loadNodeScripts, type NodeCredentials } from '@blyan/queue/node-acl';
import { ApiError, unavailable } from '../http/errors.ts';
import { countAttempt, takeChallenge } from './attempts.ts';
import type { GateDeps } from './deps.ts';
import { addressOf, keyOf, keyRefused, knowMachineKey, refused } from './key.ts';
import {
  gateSecret,
  isChallenge,
  type LeaseClaim,
  makeChallenge,
  makeLeaseToken,
} from './tokens.ts';

/** @throws ApiError 429 too_many_attempts */
export async function challengeNode(
  body: ChallengeRequest,
  headers: Headers,
  { redis }: GateDeps,
): Promise<ChallengeResponse> {
  await countAttempt(redis, addressOf(headers));
  return { challenge: makeChallenge(await gateSecret(redis), body) };
}

/**
 * @throws ApiError 401 missing_api_key, invalid_api_key, challenge_invalid; 403 key_*, node_evicted,
 * node_draining, node_marked; 409 node_name_taken; 429 too_many_attempts, key_nodes_exhausted
 */
export async function registerNode(
  body: RegisterRequest,
  headers: Headers,
  deps: GateDeps,
): Promise<RegisterResponse> {
  const { db, redis, nodeRedis, config, models } = deps;
  const address = addressOf(headers);
  const { nodeId } = body;
  await countAttempt(redis, address);
  const secret = keyOf(headers);
  const gate = await gateSecret(redis);
  if (!(await isProven(body, gate, deps))) {
    const message = 'The challenge is not ours, too old or used, or its signature is wrong.';
    throw await refused(new ApiError(401, 'challenge_invalid', message), { nodeId, address }, deps);
  }
  const genesis = await models.genesis();
  if (!genesis) throw unavailable('no_chain', 'The chain has no genesis block yet.');
  await knowMachineKey(secret, deps);
  const admitted = await db.$transaction((tx) => admit(tx, { ...body, secret, address }));
  if (!admitted.ok) {
    throw await refused(admitted.error, { nodeId, address, key: admitted.key?.name }, deps);
  }
  // Redis forgets scripts and users in a restart; a registration is what follows.
  await loadNodeScripts(nodeRedis);
  const credentials = await createNodeUser(nodeRedis, nodeId);
  await tellCoordinator(redis, { type: 'node', nodeId });
  return {
    nodeId,
    genesis,
    lease: leaseOf(gate, nodeId, admitted.claim),
    redisUrl: withCredentials(config.nodeRedisPublicUrl, credentials),
    ...(deps.nodeRedisCa !== undefined && { redisCa: deps.nodeRedisCa }),
    heartbeatMs: HEARTBEAT_MS,
  };
}

export const leaseOf = (gate: Buffer, nodeId: string, claim: LeaseClaim): NodeLease => ({
  token: makeLeaseToken(gate, nodeId, claim),
  ttlMs: LEASE_MS,
  renewMs: LEASE_RENEW_MS,
});

/** When a lease that is given now ends: not behind its key. */
export function leaseEnd(goodUntil: number, now = Date.now()): Date {
  return new Date(goodUntil > 0 ? Math.min(goodUntil, now + LEASE_MS) : now + LEASE_MS);
}

async function isProven(
  { nodeId, publicKey, challenge, signature }: RegisterRequest,
  gate: Buffer,
  { redis }: GateDeps,
): Promise<boolean> {
  if (!isChallenge(gate, challenge, { nodeId, publicKey })) return false;
  const x = Buffer.from(publicKey, 'hex').toString('base64url');
  const text = Buffer.from(challengeText(challenge, nodeId));
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    if (!verify(null, text, key, Buffer.from(signature, 'hex'))) return false;
  } catch {
    return false;
  }
  return takeChallenge(redis, challenge, CHALLENGE_MS);
}

type Admitted =
  | { ok: true; claim: LeaseClaim }
  | { ok: false; error: ApiError; key: KeyInfo | null };

interface Candidate extends RegisterRequest {
  secret: string;
  address: string;
}

/** Returns a refusal instead of throwing it: what was written so far stays. */
async function admit(tx: Tx, candidate: Candidate): Promise<Admitted> {
  const { nodeId, secret, address, version, host } = candidate;
  // Two registrations of one name at once, of which there may be no row yet.
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`node:${nodeId}`}, 0))`;
  const check = await verifyNodeKey(tx, secret, { address, nodeId });
  if (!check.ok) return { ok: false, error: keyRefused(check.reason), key: check.key };
  const publicKey = Buffer.from(candidate.publicKey, 'hex');
  const before = await tx.node.findUnique({ where: { id: nodeId } });
  const error = before && nodeRefusal(before, publicKey);
  if (error) return { ok: false, error, key: check.key };
  const now = new Date();
  const goodUntil = check.goodUntil?.getTime() ?? 0;
  const row = {
    publicKey,
    keyId: check.key.id,
    version,
    host: host ?? null,
    address,
    registeredAt: now,
    lastSeenAt: now,
    leaseUntil: leaseEnd(goodUntil, now.getTime()),
  };
  await tx.node.upsert({ where: { id: nodeId }, create: { id: nodeId, ...row }, update: row });
  await appendAudit(tx, {
    actor: { kind: 'node', id: nodeId, address },
    action: 'node.register',
    subject: `node:${nodeId}`,
    after: { key: check.key.name, version, host, publicKey: candidate.publicKey },
  });
  return { ok: true, claim: { registeredAt: now.getTime(), goodUntil } };
}

function nodeRefusal(node: Node, publicKey: Buffer): ApiError | null {
  const { id, mark } = node;
  if (node.publicKey && !publicKey.equals(node.publicKey))
    return new ApiError(
      409,
      'node_name_taken',
      `The name ${id} belongs to a node with another key; set BLYAN_NODE_ID to another name, or bring back the old node's key file.`,
      { param: 'nodeId' },
    );
  if (node.evictedAt)
    return new ApiError(
      403,
      'node_evicted',
      `An admin has evicted ${id}, and can let it in again.`,
    );
  if (node.draining)
    return new ApiError(403, 'node_draining', `An admin wants ${id} to take no work for now.`);
  if (mark !== null)
    return new ApiError(
      403,
      'node_marked',
      `${id} was cut off (${mark}); an admin can let it in again.`,
    );
  return null;
}

function withCredentials(address: string, { username, password }: NodeCredentials): string {
  const url = new URL(address);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  return url.href;
}
