/** Bounds on registrations from one address, of IPv6 from one network, whatever they say. */
import type { Redis } from '@blyan/queue/connection';
import { gateKey } from '@blyan/queue/names';
import { limitedAs } from '../../door/address.ts';
import { ApiError } from '../http/errors.ts';

const WINDOW_S = 60;
/** All attempts in a window: a rack of a hundred workers behind one address may start at once. */
const MAX_ATTEMPTS = 300;
/** Refused ones: a wrong key is not found by trying, but each costs a transaction. */
const MAX_REFUSALS = 30;

/**
 * Counts an attempt.
 * @throws ApiError 429 too_many_attempts
 */
export async function countAttempt(redis: Redis, address: string): Promise<void> {
  const who = limitedAs(address);
  const [attempts, refusals] = await Promise.all([
    count(redis, gateKey(`attempts:${who}`)),
    redis.get(gateKey(`refusals:${who}`)),
  ]);
  if (attempts <= MAX_ATTEMPTS && Number(refusals ?? 0) < MAX_REFUSALS) return;
  throw new ApiError(
    429,
    'too_many_attempts',
    `Too many registrations from ${address || 'this address'}; try again in a minute.`,
    { headers: { 'retry-after': String(WINDOW_S) } },
  );
}

/** True when this refusal is news: the audit log gets one entry a minute of each kind. */
export async function countRefusal(redis: Redis, address: string, code: string): Promise<boolean> {
  const who = limitedAs(address);
  const [news] = await Promise.all([
    redis.set(gateKey(`refused:${who}:${code}`), '1', 'EX', WINDOW_S, 'NX'),
    count(redis, gateKey(`refusals:${who}`)),
  ]);
  return news === 'OK';
}

/** One-time use of a challenge; false when it was used before. */
export async function takeChallenge(redis: Redis, challenge: string, ms: number): Promise<boolean> {
  const nonce = challenge.split('.')[1] ?? '';
  return (await redis.set(gateKey(`challenge:${nonce}`), '1', 'PX', ms, 'NX')) === 'OK';
}

async function count(redis: Redis, key: string): Promise<number> {
  const results = await redis.multi().incr(key).expire(key, WINDOW_S, 'NX').exec();
  return Number(results?.[0]?.[1] ?? 0);
}
