/**
 * Challenges and leases as the nodes hold them: opaque texts under a MAC, so that any web process
 * can check what another one gave out, and none keeps a list. The secret is in the product's own
 * Redis, out of reach of all nodes' users; if it is lost, nodes register again.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { CHALLENGE_MS } from '@blyan/protocol/register';
import type { Redis } from '@blyan/queue/connection';
import { GATE_SECRET_KEY } from '@blyan/queue/names';

const SECRET_BYTES = 32;
const NONCE_BYTES = 32;

/** The secret of all web processes; the first one makes it. */
export async function gateSecret(redis: Redis): Promise<Buffer> {
  const fresh = randomBytes(SECRET_BYTES).toString('hex');
  await redis.set(GATE_SECRET_KEY, fresh, 'NX');
  return Buffer.from((await redis.get(GATE_SECRET_KEY)) ?? fresh, 'hex');
}

const mac = (secret: Buffer, ...fields: (string | number)[]): string =>
  createHmac('sha256', secret).update(JSON.stringify(fields)).digest('base64url');

function isMac(given: string | undefined, right: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

interface Claimant {
  nodeId: string;
  /** Hex. */
  publicKey: string;
}

/** For this node and this key only, good for CHALLENGE_MS. */
export function makeChallenge(secret: Buffer, { nodeId, publicKey }: Claimant): string {
  const until = Date.now() + CHALLENGE_MS;
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  return `${until}.${nonce}.${mac(secret, 'challenge', until, nonce, nodeId, publicKey)}`;
}

/** Whether we gave this challenge to this node, and not too long ago. */
export function isChallenge(
  secret: Buffer,
  challenge: string,
  { nodeId, publicKey }: Claimant,
): boolean {
  const [until = '', nonce = '', sum] = challenge.split('.');
  const right = mac(secret, 'challenge', Number(until), nonce, nodeId, publicKey);
  return isMac(sum, right) && Number(until) > Date.now();
}

export interface LeaseClaim {
  /** Unix ms of the registration that it belongs to: a later one ends it. */
  registeredAt: number;
  /** Unix ms at which the key itself ends; 0 is never. */
  goodUntil: number;
}

export function makeLeaseToken(
  secret: Buffer,
  nodeId: string,
  { registeredAt, goodUntil }: LeaseClaim,
): string {
  return `${registeredAt}.${goodUntil}.${mac(secret, 'lease', registeredAt, goodUntil, nodeId)}`;
}

/** What a token says, or null when it is none of this node's. */
export function readLeaseToken(secret: Buffer, nodeId: string, token: string): LeaseClaim | null {
  const [first, second, sum] = token.split('.');
  const claim = { registeredAt: Number(first), goodUntil: Number(second) };
  const right = mac(secret, 'lease', claim.registeredAt, claim.goodUntil, nodeId);
  return isMac(sum, right) ? claim : null;
}
