/**
 * The coordinator's side of all nodes' streams: one blocking read over all of them. What a node
 * writes is a stranger's: it is bounded before it is parsed, and a malformed event, or a stream that
 * was made something else, is reported with the node's id, not thrown.
 */
import { MAX_EVENT_BYTES } from '@blyan/protocol/limits';
import { NodeEvent } from '@blyan/protocol/node';
import { connect, disconnect, type QueueLogger, type Redis } from './connection.ts';
import { entryText, type StreamEntry } from './entry.ts';
import { QueueError } from './errors.ts';
import { nodeQueueEvents, nodeStream } from './names.ts';
import { isWrongType, onKeysOf } from './node-faults.ts';

/** A read waits at most this long, so that added nodes are noticed. */
const BLOCK_MS = 500;
/**
 * Entries of one node in one read: bounds memory to this times the entry size, and how long a node that
 * writes without pause keeps the others waiting.
 */
const READ_COUNT = 8;
/** Pause after a failed read; the connection itself reconnects. */
const RETRY_MS = 250;
/** Entries kept of a node that does not trim its own stream. */
const MAX_ENTRIES = 20_000;

export type NodeMessage =
  | { nodeId: string; event: NodeEvent; problem?: undefined }
  | { nodeId: string; problem: string; event?: undefined };

type StreamReply = [key: string, entries: StreamEntry[]];

export class NodeStreamReader {
  readonly #redis: Redis;
  readonly #logger: QueueLogger;
  /** Last entry id that was read of each node. */
  readonly #positions = new Map<string, string>();

  private constructor(redis: Redis, logger: QueueLogger) {
    this.#redis = redis;
    this.#logger = logger;
  }

  /** `ca` as of `connect`. */
  static open({
    url,
    ca,
    logger,
  }: {
    url: string;
    ca?: string | undefined;
    logger: QueueLogger;
  }): NodeStreamReader {
    return new NodeStreamReader(connect(url, { name: 'node-reader', logger, ca }), logger);
  }

  /**
   * Follows a node from now on. `via` is another connection: this one may be blocked in a read.
   *
   * @throws QueueError KEYS_FORGED, once: what is there instead of the stream is deleted
   */
  async add(nodeId: string, via: Redis): Promise<void> {
    if (this.#positions.has(nodeId)) return;
    const key = nodeStream(nodeId);
    let last: string | undefined;
    try {
      const found = await onKeysOf(nodeId, via.xrevrange(key, '+', '-', 'COUNT', 1));
      last = (found as StreamEntry[])[0]?.[0];
    } catch (error) {
      if (error instanceof QueueError && error.code === 'KEYS_FORGED') await via.unlink(key);
      throw error;
    }
    if (!this.#positions.has(nodeId)) this.#positions.set(nodeId, last ?? '0-0');
  }

  /** Follows a node no longer. */
  remove(nodeId: string): void {
    this.#positions.delete(nodeId);
  }

  /** All that the nodes write, in one array per read, until the signal. */
  async *batches(signal: AbortSignal): AsyncGenerator<NodeMessage[]> {
    while (!signal.aborted) {
      const nodeIds = [...this.#positions.keys()];
      if (nodeIds.length === 0) {
        await pause(BLOCK_MS / 5, signal);
        continue;
      }
      let batch: NodeMessage[];
      try {
        batch = await this.#read(nodeIds);
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ problem: (error as Error).message }, 'reading node streams failed');
        await pause(RETRY_MS, signal);
        continue;
      }
      if (batch.length > 0) yield batch;
    }
  }

  async #read(nodeIds: string[]): Promise<NodeMessage[]> {
    try {
      const reply = await this.#redis.xread(
        ...(['COUNT', READ_COUNT, 'BLOCK', BLOCK_MS, 'STREAMS'] as const),
        ...nodeIds.map(nodeStream),
        ...nodeIds.map((id) => this.#positions.get(id) ?? '$'),
      );
      const byKey = new Map(nodeIds.map((id) => [nodeStream(id), id]));
      return ((reply ?? []) as StreamReply[]).flatMap(([key, entries]) =>
        this.#taken(byKey.get(key) ?? '', entries),
      );
    } catch (error) {
      if (!isWrongType(error)) throw error;
      return this.#readEach(nodeIds);
    }
  }

  /** One by one: a key that is no stream fails the read of all, and is found so while the others are heard. */
  async #readEach(nodeIds: string[]): Promise<NodeMessage[]> {
    const pipeline = this.#redis.pipeline();
    for (const id of nodeIds) {
      const from = this.#positions.get(id) ?? '$';
      pipeline.xread('COUNT', READ_COUNT, 'STREAMS', nodeStream(id), from);
    }
    const results = (await pipeline.exec()) ?? [];
    const other = results.find(([error]) => error && !isWrongType(error))?.[0];
    if (other) throw other;
    const batch: NodeMessage[] = [];
    for (const [i, nodeId] of nodeIds.entries()) {
      const [error, reply] = results[i] ?? [];
      if (error) {
        batch.push({ nodeId, problem: 'something else where its stream belongs' });
        this.remove(nodeId);
        // What is still there is found again when the node is added.
        await this.#redis.unlink(nodeStream(nodeId)).catch(() => undefined);
      } else batch.push(...this.#taken(nodeId, (reply as StreamReply[] | null)?.[0]?.[1] ?? []));
    }
    return batch;
  }

  #taken(nodeId: string, entries: StreamEntry[]): NodeMessage[] {
    const last = entries.at(-1);
    // It may have been removed while the read ran.
    if (!last || !this.#positions.has(nodeId)) return [];
    this.#positions.set(nodeId, last[0]);
    return entries.map((entry) => parse(nodeId, entry));
  }

  /**
   * Deletes what was read, but for the last entry, behind which the next leader begins; and bounds what
   * was not. What the node's queue has noted of its jobs goes, too.
   *
   * @param mayRemove throws when another coordinator leads: that one may not have read so far
   */
  async trim(via: Redis, mayRemove: () => Promise<unknown>): Promise<void> {
    // Taken before the question, so before any later leader looks for the last entry.
    const read = [...this.#positions];
    await mayRemove();
    const pipeline = via.pipeline();
    for (const [id, position] of read) {
      pipeline.xtrim(nodeStream(id), 'MINID', position);
      pipeline.xtrim(nodeStream(id), 'MAXLEN', '~', MAX_ENTRIES);
      pipeline.xtrim(nodeQueueEvents(id), 'MAXLEN', 0);
    }
    await pipeline.exec();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A blocked read cannot be ended politely.
    this.#redis.disconnect();
    await disconnect(this.#redis);
  }
}

function parse(nodeId: string, entry: StreamEntry): NodeMessage {
  const text = entryText(entry);
  if (text === undefined) return { nodeId, problem: 'an entry without the one expected field' };
  if (text.length > MAX_EVENT_BYTES) return { nodeId, problem: `an event of ${text.length} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { nodeId, problem: 'an event that is not JSON' };
  }
  const event = NodeEvent.safeParse(value);
  if (event.success) return { nodeId, event: event.data };
  const issue = event.error.issues[0];
  return { nodeId, problem: `a malformed event: ${issue?.path.join('.')} ${issue?.message}` };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
