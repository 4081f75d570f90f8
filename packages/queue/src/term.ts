/**
 * A term of the leading coordinator, as Redis knows it. Its number comes from the lease in Postgres
 * and only ever rises; each write of a coordinator names its own, and the script that writes refuses
 * one that is below the highest seen. So a leader that was paused, and replaced meanwhile, changes
 * nothing when it goes on, however late it notices.
 */
import type { Redis } from './connection.ts';
import { QueueError } from './errors.ts';
import { TERM_KEY } from './names.ts';

export interface Term {
  readonly token: bigint;
  /** A write was refused: somebody else leads. May be called more than once. */
  deposed(): void;
}

/**
 * First lines of a script whose KEYS[1] is TERM_KEY and whose ARGV[1] is the writer's number. The
 * key is set again where Redis has lost it.
 */
export const CHECK_TERM = `
local term = redis.call('GET', KEYS[1])
if not term or tonumber(term) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
elseif tonumber(term) > tonumber(ARGV[1]) then
  return redis.error_reply('DEPOSED another coordinator leads')
end
`;

/** KEYS: term, key. ARGV: number, value or '' to delete, life in ms or 0. */
const SET = `${CHECK_TERM}
if ARGV[2] == '' then return redis.call('DEL', KEYS[2]) end
if ARGV[3] == '0' then return redis.call('SET', KEYS[2], ARGV[2]) end
return redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])`;

export const isDeposed = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('DEPOSED');

/** Tells the term, and makes the error that its owner gets. */
export function deposed(term: Term, cause: Error): QueueError {
  term.deposed();
  return new QueueError('DEPOSED', 'another coordinator leads', {}, { cause });
}

/** The highest number that this Redis has seen, 0 for none. */
export async function lastTerm(redis: Redis): Promise<bigint> {
  const text = await redis.get(TERM_KEY);
  return text !== null && /^\d{1,18}$/.test(text) ? BigInt(text) : 0n;
}

/** From now on earlier terms are refused, and this one is if a later one has begun. @throws QueueError DEPOSED */
export async function checkTerm(redis: Redis, term: Term): Promise<void> {
  try {
    await redis.eval(CHECK_TERM, 1, TERM_KEY, String(term.token));
  } catch (error) {
    throw isDeposed(error) ? deposed(term, error as Error) : error;
  }
}

/** KEYS: term. ARGV: number, channel, message. */
const PUBLISH = `${CHECK_TERM}
return redis.call('PUBLISH', ARGV[2], ARGV[3])`;

/** Publishes in the name of a term. @throws QueueError DEPOSED, and what Redis says */
export async function publishInTerm(
  redis: Redis,
  term: Term,
  channel: string,
  message: string,
): Promise<void> {
  try {
    await redis.eval(PUBLISH, 1, TERM_KEY, String(term.token), channel, message);
  } catch (error) {
    throw isDeposed(error) ? deposed(term, error as Error) : error;
  }
}

/**
 * Sets a key in the name of a term; null deletes it.
 * @throws QueueError DEPOSED, and what Redis says
 */
export async function setInTerm(
  redis: Redis,
  term: Term,
  key: string,
  value: string | null,
  ttlMs = 0,
): Promise<void> {
  try {
    await redis.eval(SET, 2, TERM_KEY, key, String(term.token), value ?? '', ttlMs);
  } catch (error) {
    throw isDeposed(error) ? deposed(term, error as Error) : error;
  }
}
