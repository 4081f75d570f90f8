/**
 * What a node writes: its events, on its own stream. The engine batches tokens; here all events of
 * one turn of the event loop go out in one pipeline.
 */
import { MAX_EVENT_BYTES } from '@blyan/protocol/limits';
import {
  HEARTBEAT_MS,
  type NodeEvent,
  type NodeStatus,
  withoutControls,
} from '@blyan/protocol/node';
import type { QueueLogger, Redis } from './connection.ts';
import { ENTRY_FIELD } from './entry.ts';
import { QueueError } from './errors.ts';
import { nodeStream } from './names.ts';

/** Entries kept, here while Redis is away and there: minutes of output. It is read within milliseconds. */
const MAX_ENTRIES = 10_000;
/** The stream of a node that is gone disappears, and the token ids in it. */
const STREAM_TTL_MS = 3600 * HEARTBEAT_MS;

export interface NodeStreamOptions {
  redis: Redis;
  nodeId: string;
  logger: QueueLogger;
}

export class NodeStreamWriter {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #logger: QueueLogger;
  #due: NodeEvent[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #writing: Promise<void> = Promise.resolve();
  readonly #onReady = () => this.#send();

  /** The connection stays the caller's. */
  constructor({ redis, nodeId, logger }: NodeStreamOptions) {
    this.#redis = redis;
    this.#key = nodeStream(nodeId);
    this.#logger = logger;
    redis.on('ready', this.#onReady);
  }

  /** Queues an event; order is kept. Never blocks and never throws for Redis. */
  write(event: NodeEvent): void {
    this.#due.push(event);
    this.#scheduled ??= setImmediate(() => this.#send());
  }

  /** Writes all that waits; resolves when Redis has it, however long it is away. */
  async flush(): Promise<void> {
    this.#send();
    while (this.#due.length > 0) {
      await new Promise<void>((resolve) => this.#redis.once('ready', () => resolve()));
      this.#send();
    }
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without a connection there is nothing to wait for: the coordinator takes us for gone.
    if (this.#redis.status === 'ready') await this.flush();
    this.#redis.off('ready', this.#onReady);
    clearImmediate(this.#scheduled);
  }

  #send(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    // What ioredis has queued when Redis refuses the user is lost, and with it the answer: it waits here.
    if (this.#redis.status !== 'ready') {
      this.#due.splice(0, this.#due.length - MAX_ENTRIES);
      return;
    }
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

function encode(event: NodeEvent): string {
  // Error messages of a runtime have several lines, and the coordinator refuses control characters.
  const text = hasMessages(event)
    ? JSON.stringify(event, withoutControlsIn)
    : JSON.stringify(event);
  if (text.length <= MAX_EVENT_BYTES) return text;
  if (event.type === 'status') return JSON.stringify(withoutDetails(event), withoutControlsIn);
  throw new QueueError('MESSAGE_INVALID', `a ${event.type} event of ${text.length} bytes`, {
    type: event.type,
  });
}

const hasMessages = ({ type }: NodeEvent) => type === 'status' || type === 'fail';
const withoutControlsIn = (_key: string, value: unknown) =>
  typeof value === 'string' ? withoutControls(value) : value;

/** Notices are the only part of a status that can grow over the bound. */
function withoutDetails({ notices: _notices, ...status }: NodeStatus): NodeStatus {
  return status;
}
