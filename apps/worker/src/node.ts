/** This worker as the coordinator sees it: jobs in, events and heartbeats out. */
import { randomUUID } from 'node:crypto';
import {
  HEARTBEAT_MS,
  type NodeControl,
  type NodeJob,
  type NodeStatus,
} from '@blyan/protocol/node';
import { connect, disconnect, type Redis } from '@blyan/queue/connection';
import { ControlSubscription } from '@blyan/queue/control';
import { NodeJobWorker } from '@blyan/queue/node-queue';
import { NodeStreamWriter } from '@blyan/queue/node-stream';
import { Attempts } from './attempts.ts';
import { EngineKeeper } from './engine-keeper.ts';
import type { StartEngine } from './engine-port.ts';
import type { Logger } from './logger.ts';
import { VERSION } from './version.ts';

/** Progress of a load is written at most this often, besides the heartbeats. */
const PROGRESS_MS = 250;

export interface NodeOptions {
  nodeId: string;
  redisUrl: string;
  heartbeatMs?: number;
  slots: number;
}

export interface NodeDeps {
  startEngine: StartEngine;
  logger: Logger;
}

export class WorkerNode {
  readonly #boot = randomUUID();
  readonly #options: NodeOptions;
  readonly #logger: Logger;
  readonly #redis: Redis;
  readonly #jobsRedis: Redis;
  readonly #stream: NodeStreamWriter;
  readonly #attempts: Attempts;
  readonly #keeper: EngineKeeper;
  readonly #jobs: NodeJobWorker;
  #control: ControlSubscription | undefined;
  #beat: NodeJS.Timeout | undefined;
  #written = 0;
  #draining = false;
  #onDrain: () => void = () => undefined;

  private constructor(options: NodeOptions, { startEngine, logger }: NodeDeps) {
    const { nodeId, redisUrl, slots } = options;
    this.#options = options;
    this.#logger = logger;
    this.#redis = connect(redisUrl, { name: `${nodeId}:out`, logger });
    this.#jobsRedis = connect(redisUrl, { name: `${nodeId}:jobs`, logger });
    this.#stream = new NodeStreamWriter({ redis: this.#redis, nodeId, logger });
    this.#attempts = new Attempts((event) => this.#stream.write(event));
    this.#jobs = new NodeJobWorker({ redis: this.#jobsRedis, nodeId, slots, logger }, (job) =>
      this.#run(job),
    );
    this.#keeper = new EngineKeeper(
      startEngine,
      {
        changed: () => this.#changed(),
        event: (event) => this.#attempts.pass(event),
        gone: (reason) => this.#attempts.failAll(reason),
      },
      logger,
    );
  }

  static async start(options: NodeOptions, deps: NodeDeps): Promise<WorkerNode> {
    const node = new WorkerNode(options, deps);
    try {
      const { nodeId, redisUrl: url } = options;
      const { logger } = deps;
      node.#control = await ControlSubscription.node(nodeId, { url, logger }, (message) =>
        node.#handle(message),
      );
      node.#beat = setInterval(() => node.#writeStatus(), options.heartbeatMs ?? HEARTBEAT_MS);
      node.#keeper.start();
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves when the coordinator has asked this node to drain. */
  askedToDrain(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = resolve;
    });
  }

  /** Takes no further jobs and waits for those that run. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#writeStatus();
    this.#logger.info({ running: this.#attempts.size }, 'draining');
    // Jobs that were claimed meanwhile are given back at once, see #run.
    await this.#attempts.allOver();
    await this.#stream.flush();
  }

  async #run(job: NodeJob): Promise<void> {
    this.#logger.debug({ requestId: job.requestId, attempt: job.attempt }, 'job claimed');
    await this.#attempts.run(job, this.#draining ? null : this.#keeper.serving);
  }

  #handle(message: NodeControl): void {
    if (message.type === 'drain') this.#onDrain();
    else if (message.type === 'cancel') this.#attempts.cancel(message, this.#keeper.serving);
  }

  #changed(): void {
    const { state } = this.#keeper.state;
    if (state === 'ready') this.#jobs.start();
    const progress = state === 'loading' && this.#keeper.state.progress !== undefined;
    if (!progress || performance.now() - this.#written > PROGRESS_MS) this.#writeStatus();
  }

  #writeStatus(): void {
    // Heartbeats that were due while Redis was away would say nothing about now.
    if (this.#redis.status !== 'ready' && this.#written > 0) return;
    this.#written = performance.now();
    this.#stream.write(this.#status());
  }

  #status(): NodeStatus {
    const { state } = this.#keeper;
    const { notices } = this.#keeper;
    return {
      type: 'status',
      boot: this.#boot,
      version: VERSION,
      state: this.#draining ? 'draining' : state.state,
      slots: this.#options.slots,
      ...(state.state === 'ready' ? { ...state.ready, slots: this.#slots(state.ready.slots) } : {}),
      ...(state.state === 'loading' && state.progress ? { progress: state.progress } : {}),
      ...(state.state === 'failed' ? { failure: state.failure } : {}),
      ...(notices.length > 0 ? { notices: [...notices] } : {}),
    };
  }

  #slots(engine: number): number {
    return Math.min(engine, this.#options.slots);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    this.#draining = true;
    await this.#control?.[Symbol.asyncDispose]();
    await this.#keeper.stop();
    this.#attempts.failAll('the worker was stopped');
    await this.#jobs.close(true);
    await this.#stream[Symbol.asyncDispose]();
    await Promise.all([disconnect(this.#redis), disconnect(this.#jobsRedis)]);
  }
}
