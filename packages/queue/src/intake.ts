/**
 * The intake queue carries ids of new requests from the web app to the coordinator. It is delivery
 * only: the row in Postgres is the truth, and the coordinator finds lost ids there by itself.
 */
import { RequestId } from '@blyan/protocol/ids';
import { Queue, Worker } from 'bullmq';
import { type QueueLogger, type Redis, WORKER_RETRY_MS } from './connection.ts';
import { INTAKE_EVENTS, INTAKE_PREFIX, INTAKE_QUEUE } from './names.ts';

/** Ids handed in at one time; each is one read of a row. */
const INTAKE_CONCURRENCY = 16;

export class IntakeQueue {
  readonly #queue: Queue;

  /** The connection stays the caller's. */
  constructor({ redis, logger }: { redis: Redis; logger: QueueLogger }) {
    this.#queue = new Queue(INTAKE_QUEUE, {
      connection: redis,
      prefix: INTAKE_PREFIX,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    });
    this.#queue.on('error', (error) => logger.warn({ problem: error.message }, 'intake queue'));
  }

  /** Announces a request whose row exists. Twice is harmless. */
  async add(requestId: string): Promise<void> {
    await this.#queue.add('request', { requestId }, { jobId: requestId });
  }

  /** Takes an announcement back; one that was delivered, or never made, is no news. */
  async remove(requestId: string): Promise<void> {
    await this.#queue.remove(requestId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }
}

/** Deletes what the queue has noted of ids that went through it: BullMQ keeps ten thousand. */
export async function forgetIntake(redis: Redis): Promise<void> {
  await redis.xtrim(INTAKE_EVENTS, 'MAXLEN', 0);
}

export class IntakeWorker {
  readonly #worker: Worker;
  readonly #redis: Redis;

  /** Calls `take` for each id; ids that are none are logged and dropped. Starts at once. */
  constructor(
    { redis, logger }: { redis: Redis; logger: QueueLogger },
    take: (requestId: string) => Promise<void>,
  ) {
    this.#redis = redis;
    this.#worker = new Worker(
      INTAKE_QUEUE,
      async (job) => {
        const id = RequestId.safeParse((job.data as { requestId?: unknown } | null)?.requestId);
        if (id.success) await take(id.data);
        else logger.warn({ job: job.id }, 'intake: not a request id, dropped');
      },
      {
        connection: redis,
        prefix: INTAKE_PREFIX,
        concurrency: INTAKE_CONCURRENCY,
        runRetryDelay: WORKER_RETRY_MS,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    this.#worker.on('error', (error) => logger.warn({ problem: error.message }, 'intake worker'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without Redis it would wait for it; what is not taken over is delivered again.
    await this.#worker.close(this.#redis.status !== 'ready');
  }
}
