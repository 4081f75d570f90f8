/**
 * The canonical stream of an answer, written by the coordinator only. Entry ids follow from output
 * positions (packages/protocol/src/answer.ts), so Redis itself refuses a repeat: appending twice is
 * harmless. All that is appended in one turn of the event loop goes out in one pipeline.
 *
 * The wake-up carries the entry, so that a follower that is up to date need not read it: that read
 * was a third of what a token cost behind the coordinator. A script appends and publishes, because
 * an entry that was refused must not be published.
 */
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { Redis } from './connection.ts';
import { ENTRY_FIELD } from './entry.ts';
import { QueueError } from './errors.ts';
import { answerStream, TERM_KEY } from './names.ts';
import { CHECK_TERM, deposed, isDeposed, type Term } from './term.ts';

/** KEYS: term, stream. ARGV: number of the term, entry id, field, event, life in ms or 0. */
const APPEND = `${CHECK_TERM}
local id = redis.call('XADD', KEYS[2], ARGV[2], ARGV[3], ARGV[4])
redis.call('PUBLISH', KEYS[2], id .. ' ' .. ARGV[4])
if ARGV[5] ~= '0' then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return id`;

declare module 'ioredis' {
  interface ChainableCommander {
    blyanAppend(
      termKey: string,
      key: string,
      term: string,
      id: string,
      field: string,
      event: string,
      ttlMs: number,
    ): this;
  }
}

export interface AnswerWriterOptions {
  redis: Redis;
  term: Term;
  /** How long a stream is kept behind its last event that is not tokens. */
  ttlMs: number;
}

export type Appended =
  | 'added'
  /** This event, or a later one, is in the stream already. */
  | 'present';

interface Pending {
  requestId: string;
  id: string;
  event: AnswerEvent;
  resolve(result: Appended): void;
  reject(error: Error): void;
}

/** Redis's words for an explicit id that is not above the last one (since 5.0, also Valkey). */
const REFUSED = /equal or smaller than the target stream top item/;

export class AnswerWriter {
  readonly #redis: Redis;
  readonly #term: Term;
  readonly #ttlMs: number;
  #pending: Pending[] = [];
  #scheduled: NodeJS.Immediate | undefined;

  /** The connection stays the caller's. */
  constructor({ redis, term, ttlMs }: AnswerWriterOptions) {
    redis.defineCommand('blyanAppend', { numberOfKeys: 2, lua: APPEND });
    this.#redis = redis;
    this.#term = term;
    this.#ttlMs = ttlMs;
  }

  /**
   * Appends an event to an answer of which `count` tokens were written before it. Appends of one
   * answer keep their order. Rejects with REDIS_FAILED or DEPOSED.
   */
  append(requestId: string, event: AnswerEvent, count: number): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ requestId, id: entryId(event, count), event, resolve, reject });
      this.#scheduled ??= setImmediate(() => this.#send());
    });
  }

  /** Id of the last entry, or null when there is no stream (any more). */
  async lastId(requestId: string): Promise<string | null> {
    const key = answerStream(requestId);
    const [last] = (await this.#redis.xrevrange(key, '+', '-', 'COUNT', 1)) as [string, unknown][];
    return last?.[0] ?? null;
  }

  remove(requestIds: string[]): Promise<void> {
    return removeAnswers(this.#redis, requestIds);
  }

  #send(): void {
    this.#scheduled = undefined;
    const sent = this.#pending;
    this.#pending = [];
    const pipeline = this.#redis.pipeline();
    const term = String(this.#term.token);
    for (const { requestId, id, event } of sent) {
      const key = answerStream(requestId);
      // Every answer begins and ends with an event that is not tokens: enough to bound its life.
      const ttlMs = event.type === 'tokens' ? 0 : this.#ttlMs;
      pipeline.blyanAppend(TERM_KEY, key, term, id, ENTRY_FIELD, JSON.stringify(event), ttlMs);
    }
    pipeline.exec().then(
      (results) => {
        sent.forEach((pending, i) => {
          const [error] = results?.[i] ?? [new Error('no reply')];
          if (!error) pending.resolve('added');
          else if (REFUSED.test(error.message)) pending.resolve('present');
          else if (isDeposed(error)) pending.reject(deposed(this.#term, error));
          else pending.reject(failed(pending, error));
        });
      },
      (error: Error) => {
        for (const pending of sent) pending.reject(failed(pending, error));
      },
    );
  }
}

/** Deletes the streams of answers, those that there are. */
export async function removeAnswers(redis: Redis, requestIds: string[]): Promise<void> {
  if (requestIds.length > 0) await redis.unlink(...requestIds.map(answerStream));
}

function entryId(event: AnswerEvent, count: number): string {
  switch (event.type) {
    case 'tokens':
      return `${event.position + 1}-0`;
    case 'phase':
    case 'attempt':
      return `${count}-*`;
    case 'finish':
    case 'error':
      return `${count + 1}-0`;
  }
}

function failed({ requestId, event }: Pending, cause: Error): QueueError {
  return new QueueError(
    'REDIS_FAILED',
    `cannot append a ${event.type} event: ${cause.message}`,
    { requestId },
    { retry: true, cause },
  );
}
