/** How often one may try to prove who one is, by address and by account, counted in Redis. */
import { createHash } from 'node:crypto';
import type { Redis } from '@blyan/queue/connection';
import { attemptCounter } from '@blyan/queue/names';
import { limitedAs } from '../../door/address.ts';
import { ApiError } from '../http/errors.ts';

const WINDOW_S = 15 * 60;
/** Several people may share an address; a guesser of passwords is stopped by the account's limit. */
const PER_ADDRESS = 30;
/** 12 characters are not guessed by 960 tries a day. */
const PER_ACCOUNT = 10;

const hashed = (text: string) => createHash('sha256').update(text).digest('base64url');

export interface Attempt {
  /** It was right: the account may be tried anew. Failures of the address stay counted. */
  succeeded(): Promise<void>;
}

/**
 * Counts a try before it is made, so that tries at the same time count too.
 * @param address of the client; of IPv6 its network is counted
 * @param account e-mail address or id; null where it is not known yet
 * @throws ApiError 429 with Retry-After
 */
export async function beginAttempt(
  redis: Redis,
  { address, account }: { address: string; account: string | null },
): Promise<Attempt> {
  const byAddress = attemptCounter(`address:${limitedAs(address)}`);
  const byAccount = account === null ? null : attemptCounter(`account:${hashed(account)}`);
  await count(redis, byAddress, PER_ADDRESS, 'from this address');
  if (byAccount) await count(redis, byAccount, PER_ACCOUNT, 'for this account');
  return {
    async succeeded() {
      await redis.decr(byAddress);
      if (byAccount) await redis.del(byAccount);
    },
  };
}

async function count(redis: Redis, key: string, most: number, whose: string): Promise<void> {
  const results = await redis.multi().incr(key).expire(key, WINDOW_S, 'NX').ttl(key).exec();
  const [tries, , left] = (results ?? []).map(([error, value]) => {
    if (error) throw error;
    return Number(value);
  });
  if ((tries ?? 0) <= most) return;
  const seconds = Math.max(1, left ?? WINDOW_S);
  throw new ApiError(
    429,
    'too_many_attempts',
    `Too many attempts ${whose}: try again in ${Math.ceil(seconds / 60)} minutes.`,
    { headers: { 'retry-after': String(seconds) } },
  );
}
