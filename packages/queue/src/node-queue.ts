/**
 * A node's own job queue, under the node's own prefix: nobody else can read its prompts, and one
 * ACL pattern covers it. A job may be delivered twice; attempts are fenced by their number.
 */
import { NodeJob } from '@blyan/protocol/node';
import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { type QueueLogger, type Redis, WORKER_RETRY_MS } from './connection.ts';
import { NODE_QUEUE, nodePrefix } from './names.ts';

const jobId = (requestId: string, attempt: number) => `${requestId}-${attempt}`;

export interface SweepOptions {
  /** Asked for each job that still waits. */
  isWanted(requestId: string, attempt: number): boolean;
  /** Throws for a leader that was replaced: what it found may be the next one's. */
  mayRemove(): Promise<void>;
}

/** The coordinator's side: puts jobs into nodes' queues and takes them out again. */
export class NodeQueues {
  readonly #redis: Redis;
  readonly #logger: QueueLogger;
  readonly #queues = new Map<string, Queue>();

  /** The connection stays the caller's. */
  constructor({ redis, logger }: { redis: Redis; logger: QueueLogger }) {
    this.#redis = redis;
    this.#logger = logger;
  }

  async add(nodeId: string, job: NodeJob): Promise<void> {
    await this.#of(nodeId).add('answer', job, { jobId: jobId(job.requestId, job.attempt) });
  }

  /** Takes a job out. One that the node has claimed stays: tell it over its control channel. */
  async remove(nodeId: string, requestId: string, attempt: number): Promise<void> {
    await this.#of(nodeId).remove(jobId(requestId, attempt));
  }

  /** Removes all jobs that nobody wants any more. */
  async sweep(nodeId: string, { isWanted, mayRemove }: SweepOptions): Promise<void> {
    const queue = this.#of(nodeId);
    const jobs = await queue.getJobs(['waiting', 'completed', 'failed', 'delayed']);
    if (jobs.length > 0) await mayRemove();
    for (const job of jobs) {
      const data = job?.data as Partial<NodeJob> | undefined;
      if (data?.requestId && data.attempt && isWanted(data.requestId, data.attempt)) continue;
      // A job that was claimed between the two commands is locked, and ends by itself.
      await job?.remove().catch(() => undefined);
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
