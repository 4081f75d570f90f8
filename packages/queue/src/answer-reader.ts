/**
 * Reading answers: replay from any entry, then follow without a gap. One connection subscribes for
 * all followers and one reads for all of them, so that a thousand open pages cost two sockets.
 *
 * A follower subscribes, then reads the stream. From then on the wake-ups, which carry the entries in
 * order, are enough: whatever was appended before the read is in it, whatever came later was
 * published. After a reconnect, and now and then by itself, it reads the stream again.
 */
import { AnswerEvent } from '@blyan/protocol/answer';
import { connect, disconnect, type QueueLogger, type Redis } from './connection.ts';
import { compareIds, entryText, type StreamEntry, wakeUpEntry } from './entry.ts';
import { QueueError } from './errors.ts';
import { answerStream } from './names.ts';

/** Entries of one read. */
const READ_COUNT = 512;
/** A follower without a wake-up looks by itself this often: covers lost wake-ups. */
const POLL_MS = 2000;
/** Of the followers, so many parts look one after the other: a thousand at once would hold up all else. */
const POLL_PARTS = 40;

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

/** Wake-ups that a follower keeps while its client is slow; beyond that it reads the stream. */
const MAX_INBOX = 256;

/** What one follower has to look at. */
class Bell {
  /** Whether the stream must be read, because entries may have been missed. */
  #look = true;
  #inbox: StreamEntry[] = [];
  #listen: (() => void) | undefined;

  /** Something may have happened: look. */
  ring = (): void => {
    this.#look = true;
    this.#inbox = [];
    this.#listen?.();
  };

  push(entry: StreamEntry): void {
    if (this.#inbox.length >= MAX_INBOX) {
      this.ring();
    } else {
      this.#inbox.push(entry);
      this.#listen?.();
    }
  }

  /** Resolves when there is something: `look`, or entries in order. */
  async next(): Promise<'look' | StreamEntry[]> {
    if (!this.#look && this.#inbox.length === 0) {
      await new Promise<void>((resolve) => {
        this.#listen = resolve;
      });
      this.#listen = undefined;
    }
    if (this.#look) {
      // Before the read: what is published while it runs is kept, and told apart by its id.
      this.#look = false;
      return 'look';
    }
    const entries = this.#inbox;
    this.#inbox = [];
    return entries;
  }
}

interface Channel {
  bells: Set<Bell>;
  subscribed: Promise<unknown>;
  /** Of POLL_PARTS. */
  part: number;
}

export class AnswerReader {
  readonly #reader: Redis;
  readonly #subscriber: Redis;
  readonly #channels = new Map<string, Channel>();
  readonly #poll: NodeJS.Timeout;
  /** Part of the channel that comes next, and part that looks next. */
  #nextPart = 0;
  #turn = 0;

  private constructor(reader: Redis, subscriber: Redis) {
    this.#reader = reader;
    this.#subscriber = subscriber;
    subscriber.on('message', (name: string, message: string) => this.#wake(name, message));
    // After a reconnect ioredis subscribes again; wake-ups of the meantime are lost.
    subscriber.on('ready', () => this.#ringAll());
    reader.on('ready', () => this.#ringAll());
    this.#poll = setInterval(() => this.#ringSome(), POLL_MS / POLL_PARTS);
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
        const found = await bell.next();
        if (signal?.aborted) return;
        const page =
          found === 'look'
            ? await orAborted(this.#page(requestId, last), signal)
            : found.map((entry) => parse(requestId, entry));
        if (!page) return;
        for (const entry of page) {
          if (compareIds(entry.id, last) <= 0) continue;
          yield entry;
          if (signal?.aborted) return;
          last = entry.id;
          if (entry.event.type === 'finish' || entry.event.type === 'error') return;
        }
        if (page.length > 0) {
          asked = performance.now();
          if (found === 'look' && page.length === READ_COUNT) bell.ring();
        } else if (goesOn && performance.now() - asked >= POLL_MS / 2) {
          if ((await orAborted(goesOn(), signal)) === false) {
            // The end may have been written between the read and the question.
            yield* (await orAborted(this.#page(requestId, last), signal)) ?? [];
            return;
          }
          asked = performance.now();
        }
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
      const part = this.#nextPart;
      this.#nextPart = (part + 1) % POLL_PARTS;
      channel = { bells: new Set(), subscribed: this.#subscriber.subscribe(name), part };
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

  #wake(name: string, message: string): void {
    const entry = wakeUpEntry(message);
    for (const bell of this.#channels.get(name)?.bells ?? []) {
      if (entry) bell.push(entry);
      else bell.ring();
    }
  }

  #ringSome(): void {
    this.#turn = (this.#turn + 1) % POLL_PARTS;
    for (const { bells, part } of this.#channels.values()) {
      if (part === this.#turn) for (const bell of bells) bell.ring();
    }
  }

  #ringAll(): void {
    for (const { bells } of this.#channels.values()) for (const bell of bells) bell.ring();
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
