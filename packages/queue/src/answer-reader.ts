/**
 * Reading answers: replay from any entry, then follow without a gap. One connection subscribes for
 * all followers and one reads for all of them, so that a thousand open pages cost two sockets.
 *
 * A wake-up only says "look again"; what counts is read from the stream. A follower subscribes
 * before it reads, reads again after a reconnect, and looks by itself now and then.
 */
import { AnswerEvent } from '@blyan/protocol/answer';
import { connect, disconnect, type QueueLogger, type Redis } from './connection.ts';
import { entryText, type StreamEntry } from './entry.ts';
import { QueueError } from './errors.ts';
import { answerStream } from './names.ts';

/** Entries of one read. */
const READ_COUNT = 512;
/** A follower without a wake-up looks by itself this often: covers lost wake-ups. */
const POLL_MS = 2000;

export interface AnswerEntry {
  /** Entry id: what a client sends as `Last-Event-ID`. */
  id: string;
  event: AnswerEvent;
}

export interface FollowOptions {
  signal?: AbortSignal;
  /**
   * Asked when nothing came for a while: whether the answer can still go on. With false the
   * follower ends, although it saw no end (its stream has expired, say).
   */
  goesOn?: () => Promise<boolean>;
}

/** One follower's bell: rung by wake-ups, the poll timer and its signal. */
class Bell {
  #rung = false;
  #listen: (() => void) | undefined;

  ring = (): void => {
    this.#rung = true;
    this.#listen?.();
  };

  /** Resolves at the next ring, or at once if there was one since the last call. */
  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#listen = resolve;
      });
    }
    this.#listen = undefined;
    this.#rung = false;
  }
}

export class AnswerReader {
  readonly #reader: Redis;
  readonly #subscriber: Redis;
  readonly #channels = new Map<string, { bells: Set<Bell>; subscribed: Promise<unknown> }>();
  readonly #poll: NodeJS.Timeout;

  private constructor(reader: Redis, subscriber: Redis) {
    this.#reader = reader;
    this.#subscriber = subscriber;
    subscriber.on('message', (name: string) => this.#ring(name));
    // After a reconnect ioredis subscribes again; wake-ups of the meantime are lost.
    subscriber.on('ready', () => this.#ringAll());
    reader.on('ready', () => this.#ringAll());
    this.#poll = setInterval(() => this.#ringAll(), POLL_MS);
    this.#poll.unref();
  }

  static open({ url, logger }: { url: string; logger: QueueLogger }): AnswerReader {
    return new AnswerReader(
      connect(url, { name: 'answer-reader', logger }),
      connect(url, { name: 'answer-wakeups', logger }),
    );
  }

  /** All that is in the stream behind `from`; empty when there is none (any more). */
  async read(requestId: string, from = '0'): Promise<AnswerEntry[]> {
    checkId(from);
    const entries: AnswerEntry[] = [];
    let last = from;
    for (;;) {
      const page = await this.#page(requestId, last);
      entries.push(...page);
      if (page.length < READ_COUNT) return entries;
      last = page.at(-1)?.id ?? last;
    }
  }

  /**
   * Yields each entry behind `from` (an entry id, `0` for the start) once and in order, first those
   * that exist, then those that come. Ends behind a finish or error event, or when aborted.
   * Throws ENTRY_ID_INVALID for a `from` that is no entry id.
   */
  async *follow(
    requestId: string,
    from = '0',
    { signal, goesOn }: FollowOptions = {},
  ): AsyncGenerator<AnswerEntry> {
    checkId(from);
    const bell = new Bell();
    signal?.addEventListener('abort', bell.ring);
    try {
      await this.#subscribe(requestId, bell, signal);
      let last = from;
      let asked = performance.now();
      while (!signal?.aborted) {
        const page = await orAborted(this.#page(requestId, last), signal);
        if (!page) return;
        for (const entry of page) {
          yield entry;
          if (signal?.aborted) return;
          last = entry.id;
          if (entry.event.type === 'finish' || entry.event.type === 'error') return;
        }
        if (page.length > 0) {
          asked = performance.now();
          if (page.length === READ_COUNT) continue;
        } else if (goesOn && performance.now() - asked >= POLL_MS / 2) {
          if (!(await goesOn())) {
            // The end may have been written between the read and the question.
            yield* await this.#page(requestId, last);
            return;
          }
          asked = performance.now();
        }
        await bell.wait();
      }
    } finally {
      signal?.removeEventListener('abort', bell.ring);
      this.#unsubscribe(requestId, bell);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#poll);
    await Promise.all([disconnect(this.#reader), disconnect(this.#subscriber)]);
    this.#ringAll();
  }

  async #page(requestId: string, after: string): Promise<AnswerEntry[]> {
    const key = answerStream(requestId);
    const found = await this.#reader.xrange(key, `(${after}`, '+', 'COUNT', READ_COUNT);
    return (found as StreamEntry[]).map((entry) => parse(requestId, entry));
  }

  async #subscribe(requestId: string, bell: Bell, signal?: AbortSignal): Promise<void> {
    const name = answerStream(requestId);
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = { bells: new Set(), subscribed: this.#subscriber.subscribe(name) };
      this.#channels.set(name, channel);
    }
    channel.bells.add(bell);
    await orAborted(channel.subscribed, signal);
  }

  #unsubscribe(requestId: string, bell: Bell): void {
    const name = answerStream(requestId);
    const channel = this.#channels.get(name);
    if (!channel?.bells.delete(bell) || channel.bells.size > 0) return;
    this.#channels.delete(name);
    this.#subscriber.unsubscribe(name).catch(() => undefined);
  }

  #ring(name: string): void {
    for (const bell of this.#channels.get(name)?.bells ?? []) bell.ring();
  }

  #ringAll(): void {
    for (const name of this.#channels.keys()) this.#ring(name);
  }
}

/** Whether a text, say a client's `Last-Event-ID`, is an entry id. */
export function isEntryId(text: string): boolean {
  return text === '0' || /^\d{1,15}-\d{1,15}$/.test(text);
}

function checkId(from: string): void {
  if (!isEntryId(from)) throw new QueueError('ENTRY_ID_INVALID', `not an entry id: ${from}`);
}

function parse(requestId: string, entry: StreamEntry): AnswerEntry {
  const text = entryText(entry);
  const event = text === undefined ? undefined : AnswerEvent.safeParse(JSON.parse(text));
  if (!event?.success) {
    throw new QueueError('ENTRY_MALFORMED', `entry ${entry[0]} of an answer cannot be read`, {
      requestId,
      id: entry[0],
      problem: event?.error.issues[0]?.message,
    });
  }
  return { id: entry[0], event: event.data };
}

/** The promise's value, or undefined as soon as the signal aborts. */
async function orAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  if (!signal) return promise;
  if (signal.aborted) return undefined;
  let stop = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
