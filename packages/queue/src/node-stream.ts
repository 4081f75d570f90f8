/**
 * What a node writes: its events, on its own stream. Tokens of one answer are batched for at most
 * FLUSH_MS, counted from the last write: a model slower than that is never delayed. All that is
 * due at one turn of the event loop goes out in one pipeline, so that a step of many sequences is
 * one write.
 */
import { MAX_EVENT_BYTES, MAX_EVENT_TOKENS } from '@blyan/protocol/limits';
import { HEARTBEAT_MS, type NodeEvent, type NodeStatus } from '@blyan/protocol/node';
import type { QueueLogger, Redis } from './connection.ts';
import { ENTRY_FIELD } from './entry.ts';
import { QueueError } from './errors.ts';
import { nodeStream } from './names.ts';

/** Longest time that a token waits for others of its answer. */
const FLUSH_MS = 20;
/** Entries kept: minutes of output. The coordinator reads within milliseconds. */
const MAX_ENTRIES = 10_000;
/** The stream of a node that is gone disappears, and the token ids in it. */
const STREAM_TTL_MS = 3600 * HEARTBEAT_MS;

type TokensEvent = Extract<NodeEvent, { type: 'tokens' }>;

interface Answer {
  /** Monotonic ms of the last write. */
  flushed: number;
  waiting: TokensEvent | null;
}

export interface NodeStreamOptions {
  redis: Redis;
  nodeId: string;
  logger: QueueLogger;
}

export class NodeStreamWriter {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #logger: QueueLogger;
  readonly #answers = new Map<string, Answer>();
  #due: NodeEvent[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** The connection stays the caller's. */
  constructor({ redis, nodeId, logger }: NodeStreamOptions) {
    this.#redis = redis;
    this.#key = nodeStream(nodeId);
    this.#logger = logger;
  }

  /** Queues an event; order is kept within an answer. Never blocks and never throws for Redis. */
  write(event: NodeEvent): void {
    if (event.type === 'tokens') this.#writeTokens(event);
    else {
      if (event.type !== 'status') this.#close(event.type, answerKey(event));
      this.#push(event);
    }
  }

  /** Writes all that waits; resolves when Redis has it. */
  async flush(): Promise<void> {
    for (const answer of this.#answers.values()) this.#take(answer);
    this.#send();
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    clearImmediate(this.#scheduled);
  }

  #writeTokens(event: TokensEvent): void {
    const key = answerKey(event);
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = { flushed: 0, waiting: null };
      this.#answers.set(key, answer);
    }
    const waiting = answer.waiting;
    if (!waiting) answer.waiting = { ...event, tokens: [...event.tokens] };
    else if (
      waiting.position + waiting.tokens.length === event.position &&
      waiting.tokens.length + event.tokens.length <= MAX_EVENT_TOKENS
    ) {
      waiting.tokens.push(...event.tokens);
    } else {
      this.#take(answer);
      answer.waiting = { ...event, tokens: [...event.tokens] };
    }
    const wait = answer.flushed + FLUSH_MS - performance.now();
    if (wait <= 0) this.#take(answer);
    else this.#timer ??= setTimeout(() => this.#onTimer(), wait);
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const answer of this.#answers.values()) {
      if (!answer.waiting) continue;
      const wait = answer.flushed + FLUSH_MS - now;
      // Timers are no finer than a millisecond: what is due within one is due.
      if (wait <= 1) this.#take(answer);
      else next = Math.min(next, wait);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#onTimer(), next);
  }

  /** Tokens that wait go before what ends or reports on their answer. */
  #close(type: 'prefill' | 'done' | 'fail', key: string): void {
    const answer = this.#answers.get(key);
    if (!answer) return;
    this.#take(answer);
    if (type !== 'prefill') this.#answers.delete(key);
  }

  #take(answer: Answer): void {
    if (!answer.waiting) return;
    this.#push(answer.waiting);
    answer.waiting = null;
    answer.flushed = performance.now();
  }

  #push(event: NodeEvent): void {
    this.#due.push(event);
    this.#scheduled ??= setImmediate(() => this.#send());
  }

  #send(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#due.length === 0) return;
    const pipeline = this.#redis.pipeline();
    for (const event of this.#due) {
      pipeline.xadd(this.#key, 'MAXLEN', '~', MAX_ENTRIES, '*', ENTRY_FIELD, encode(event));
      if (event.type === 'status') pipeline.pexpire(this.#key, STREAM_TTL_MS);
    }
    this.#due = [];
    // ioredis keeps the order of pipelines on one connection, also over a reconnect.
    this.#writing = pipeline.exec().then(
      (results) => this.#report(results?.find(([error]) => error)?.[0]),
      (error: Error) => this.#report(error),
    );
  }

  #report(error: Error | null | undefined): void {
    if (error) this.#logger.error({ problem: error.message }, 'events were not written');
  }
}

const answerKey = (event: { requestId: string; attempt: number }) =>
  `${event.requestId}/${event.attempt}`;

function encode(event: NodeEvent): string {
  const text = JSON.stringify(event);
  if (text.length <= MAX_EVENT_BYTES) return text;
  if (event.type === 'status') return JSON.stringify(withoutDetails(event));
  throw new QueueError('MESSAGE_INVALID', `a ${event.type} event of ${text.length} bytes`, {
    type: event.type,
  });
}

/** Notices are the only part of a status that can grow over the bound. */
function withoutDetails({ notices: _notices, ...status }: NodeStatus): NodeStatus {
  return status;
}
