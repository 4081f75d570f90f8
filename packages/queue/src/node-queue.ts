/**
 * A node's own job queue, under the node's own prefix: nobody else can read its prompts, and one
 * ACL pattern covers it. A job may be delivered twice; attempts are fenced by their number.
 *
 * The node may write these keys as it likes. So jobs are taken out by scripts of ours: BullMQ's follow
 * what a job says of its parent and its children, which may name keys of others, and walk through
 * lists of any length.
 */
import { NodeJob } from '@blyan/protocol/node';
import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { type QueueLogger, type Redis, WORKER_RETRY_MS } from './connection.ts';
import type { QueueError } from './errors.ts';
import { NODE_QUEUE, nodePrefix, nodeQueueKey } from './names.ts';
import { forged, onKeysOf } from './node-faults.ts';

/** Jobs in one list of a node: the coordinator gives it as many as it has slots, and sweeps what is left. */
const MAX_JOBS = 1000;
/** Jobs that are removed in one go: Redis serves others in between. */
const REMOVED_AT_ONCE = 50;

/** Where BullMQ has a job that was added without a delay; by type, as commands differ. */
const LISTS = ['wait', 'paused', 'active'];
const SETS = ['completed', 'failed', 'delayed'];
/** What else it writes when one is added. */
const OTHER_KEYS = ['meta', 'id', 'events', 'marker'];

/** Characters of a job's id: request and attempt have 74 at most. */
const MAX_ID_CHARS = 100;

const TOO_LONG = 'TOOLONG';
const TOO_LONG_REPLY = `return redis.error_reply('${TOO_LONG} more than was given')`;

/** All ids. In small steps: each may have megabytes. KEYS: LISTS, then SETS. ARGV: MAX_JOBS, MAX_ID_CHARS. */
const FIND = `
local found = {}
for i, key in ipairs(KEYS) do
  local command = i <= ${LISTS.length} and 'LRANGE' or 'ZRANGE'
  local from = 0
  repeat
    local ids = redis.call(command, key, from, from + 9)
    from = from + #ids
    if from > tonumber(ARGV[1]) then ${TOO_LONG_REPLY} end
    for _, id in ipairs(ids) do
      if #id > tonumber(ARGV[2]) then ${TOO_LONG_REPLY} end
      found[#found + 1] = id
    end
  until #ids < 10
end
return found`;

/** KEYS: job, its lock, then LISTS, then SETS. ARGV: id of the job, MAX_JOBS. */
const REMOVE = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
for i = 3, ${2 + LISTS.length} do
  if redis.call('LLEN', KEYS[i]) > tonumber(ARGV[2]) then ${TOO_LONG_REPLY} end
  redis.call('LREM', KEYS[i], 0, ARGV[1])
end
for i = ${3 + LISTS.length}, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return redis.call('UNLINK', KEYS[1])`;

const jobId = (requestId: string, attempt: number) => `${requestId}-${attempt}`;

/** Request and attempt of a job's id; undefined for one that is not ours. */
function ofJob(id: string): [requestId: string, attempt: number] | undefined {
  const [, requestId, attempt] = /^([\w-]{20,64})-(\d{1,9})$/.exec(id) ?? [];
  return requestId === undefined ? undefined : [requestId, Number(attempt)];
}

export interface SweepOptions {
  /** Asked for each job that is in the queue. */
  isWanted(requestId: string, attempt: number): boolean;
  /** Throws for a leader that was replaced: what it found may be the next one's. */
  mayRemove(): Promise<void>;
}

/**
 * The coordinator's side: puts jobs into nodes' queues and takes them out again. Everything here throws
 * KEYS_FORGED when the node made of its queue what it cannot be; then the queue was deleted.
 */
export class NodeQueues {
  readonly #redis: Redis;
  readonly #logger: QueueLogger;
  readonly #queues = new Map<string, Queue>();

  /** The connection stays the caller's. */
  constructor({ redis, logger }: { redis: Redis; logger: QueueLogger }) {
    this.#redis = redis;
    this.#logger = logger;
  }

  /** @throws QueueError KEYS_REFUSED, too */
  async add(nodeId: string, job: NodeJob): Promise<void> {
    const id = jobId(job.requestId, job.attempt);
    await this.#on(nodeId, this.#of(nodeId).add('answer', job, { jobId: id }));
  }

  /** Takes a job out. One that the node has claimed stays: tell it over its control channel. */
  async remove(nodeId: string, requestId: string, attempt: number): Promise<void> {
    await this.#on(nodeId, this.#remove(nodeId, jobId(requestId, attempt)));
  }

  /** Removes all jobs that nobody wants any more, also those that were claimed by who is gone since. */
  async sweep(nodeId: string, { isWanted, mayRemove }: SweepOptions): Promise<void> {
    const ids = await this.#on(nodeId, this.#ids(nodeId));
    const left = ids.filter((id) => {
      const job = ofJob(id);
      return !job || !isWanted(...job);
    });
    for (let i = 0; i < left.length; i += REMOVED_AT_ONCE) {
      await mayRemove();
      const some = left.slice(i, i + REMOVED_AT_ONCE);
      await this.#on(nodeId, Promise.all(some.map((id) => this.#remove(nodeId, id))));
    }
  }

  /** Keeps nothing in mind of a node. */
  forget(nodeId: string): void {
    const queue = this.#queues.get(nodeId);
    this.#queues.delete(nodeId);
    queue?.close().catch(() => undefined);
  }

  async #ids(nodeId: string): Promise<string[]> {
    const keys = [...LISTS, ...SETS].map((name) => nodeQueueKey(nodeId, name));
    const found = await this.#redis.eval(FIND, keys.length, ...keys, MAX_JOBS, MAX_ID_CHARS);
    return [...new Set(found as string[])];
  }

  #remove(nodeId: string, id: string): Promise<unknown> {
    const keys = [id, `${id}:lock`, ...LISTS, ...SETS].map((name) => nodeQueueKey(nodeId, name));
    return this.#redis.eval(REMOVE, keys.length, ...keys, id, String(MAX_JOBS));
  }

  /** Makes nothing of a queue that its node has spoiled, so that it can serve again once it is let in. */
  async #on<T>(nodeId: string, doing: Promise<T>): Promise<T> {
    try {
      return await onKeysOf(nodeId, doing);
    } catch (error) {
      const { code, message } = error as Partial<QueueError>;
      const isTooLong = message?.startsWith(TOO_LONG);
      if (!isTooLong && code !== 'KEYS_FORGED') throw error;
      const keys = [...LISTS, ...SETS, ...OTHER_KEYS];
      await this.#redis.unlink(...keys.map((name) => nodeQueueKey(nodeId, name)));
      throw isTooLong ? forged(nodeId, 'put jobs into its own queue', error) : error;
    }
  }

  #of(nodeId: string): Queue {
    let queue = this.#queues.get(nodeId);
    if (!queue) {
      queue = new Queue(NODE_QUEUE, {
        connection: this.#redis,
        prefix: nodePrefix(nodeId),
        defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
      });
      queue.on('error', (error) =>
        this.#logger.warn({ nodeId, problem: error.message }, 'node queue'),
      );
      this.#queues.set(nodeId, queue);
    }
    return queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#queues.clear();
  }
}

export interface NodeJobWorkerOptions {
  redis: Redis;
  nodeId: string;
  /** Jobs that run at one time. */
  slots: number;
  logger: QueueLogger;
}

/** The node's side: claims jobs and hands them to `run`, which resolves when the attempt is over. */
export class NodeJobWorker {
  readonly #worker: Worker;

  /** Claims nothing before `start`. */
  constructor(options: NodeJobWorkerOptions, run: (job: NodeJob) => Promise<void>) {
    const { redis, nodeId, slots, logger } = options;
    this.#worker = new Worker(
      NODE_QUEUE,
      async (job) => {
        const parsed = NodeJob.safeParse(job.data);
        if (!parsed.success) {
          const problem = parsed.error.issues[0];
          throw new UnrecoverableError(`malformed job: ${problem?.path.join('.')}`);
        }
        await run(parsed.data);
      },
      {
        connection: redis,
        prefix: nodePrefix(nodeId),
        concurrency: slots,
        autorun: false,
        // A job whose lock lapsed belongs to an attempt that the coordinator has moved on already.
        maxStalledCount: 0,
        runRetryDelay: WORKER_RETRY_MS,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    this.#worker.on('error', (error) => logger.warn({ problem: error.message }, 'job worker'));
    this.#worker.on('failed', (job, error) =>
      logger.warn({ job: job?.id, problem: error.message }, 'job failed'),
    );
  }

  start(): void {
    if (this.#worker.isRunning()) return;
    void this.#worker.run();
  }

  /** Waits for running jobs, unless `force`. */
  async close(force = false): Promise<void> {
    await this.#worker.close(force);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
