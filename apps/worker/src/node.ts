/** This worker as the coordinator sees it: jobs in, events and heartbeats out. */
import { randomUUID } from 'node:crypto';
import type { Assignment } from '@blyan/protocol/assignment';
import {
  HEARTBEAT_MS,
  type LoadProgress,
  type NodeCapacity,
  type NodeControl,
  type NodeEvent,
  type NodeJob,
  type NodeStatus,
} from '@blyan/protocol/node';
import { disconnect, type Redis } from '@blyan/queue/connection';
import { ControlSubscription } from '@blyan/queue/control';
import { NodeJobWorker } from '@blyan/queue/node-queue';
import { NodeStreamWriter } from '@blyan/queue/node-stream';
import { AssignmentWatch, sameLayers } from './assignments.ts';
import { Attempts } from './attempts.ts';
import type { Assigned } from './engine/messages.ts';
import { EngineKeeper } from './engine-keeper.ts';
import type { StartEngine } from './engine-port.ts';
import type { Logger } from './logger.ts';
import { VERSION } from './version.ts';

/** Progress of one phase of a load is written at most this often, besides the heartbeats. */
const PROGRESS_MS = 250;

export interface NodeOptions {
  nodeId: string;
  heartbeatMs?: number;
  slots: number;
  capacity: NodeCapacity;
  /** Private key of this node, PKCS #8 PEM; without it nothing goes directly to other nodes. */
  key?: string;
  /** Where to listen for the stage before this one. */
  listen?: { host: string; port: number };
}

export interface NodeDeps {
  /** @param assigned what the node is assigned, at each start */
  engine(assigned: () => Assigned): StartEngine;
  /** Opens a connection to this node's part of Redis. */
  connect(name: string): Redis;
  /** The credentials of now, for the engine's own connections. */
  redis(): { redisUrl: string; redisCa?: string | undefined };
  /** Sees each event as it is written. */
  observe?(event: NodeEvent): void;
  logger: Logger;
}

export class WorkerNode {
  readonly #boot = randomUUID();
  readonly #options: NodeOptions;
  readonly #logger: Logger;
  readonly #redis: Redis;
  readonly #jobsRedis: Redis;
  readonly #stream: NodeStreamWriter;
  readonly #observe: ((event: NodeEvent) => void) | undefined;
  readonly #credentials: NodeDeps['redis'];
  readonly #attempts: Attempts;
  readonly #keeper: EngineKeeper;
  readonly #jobs: NodeJobWorker;
  #control: ControlSubscription | undefined;
  #watch: AssignmentWatch | undefined;
  #assignment: Assignment | null = null;
  #beat: NodeJS.Timeout | undefined;
  #written = 0;
  /** Of a load that goes on. */
  #phase: LoadProgress['phase'] | undefined;
  #draining = false;
  #onDrain: () => void = () => undefined;

  private constructor(options: NodeOptions, deps: NodeDeps) {
    const { engine, connect, observe, redis, logger } = deps;
    const { nodeId, slots } = options;
    this.#options = options;
    this.#logger = logger;
    this.#redis = connect(`${nodeId}:out`);
    this.#jobsRedis = connect(`${nodeId}:jobs`);
    this.#observe = observe;
    this.#credentials = redis;
    this.#stream = new NodeStreamWriter({ redis: this.#redis, nodeId, logger });
    this.#attempts = new Attempts((event) => this.#write(event));
    this.#jobs = new NodeJobWorker({ redis: this.#jobsRedis, nodeId, slots, logger }, (job) =>
      this.#run(job),
    );
    this.#keeper = new EngineKeeper(
      engine(() => this.#assigned()),
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
      const { nodeId } = options;
      const { connect: url, logger } = deps;
      node.#control = await ControlSubscription.node(nodeId, { url, logger }, (message) =>
        node.#handle(message),
      );
      node.#beat = setInterval(() => node.#writeStatus(), options.heartbeatMs ?? HEARTBEAT_MS);
      node.#writeStatus();
      node.#watch = new AssignmentWatch({
        redis: node.#redis,
        nodeId,
        logger,
        changed: (assignment) => node.#assign(assignment),
      });
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Answers that run. */
  get running(): number {
    return this.#attempts.size;
  }
  /** Whether Redis of the main node is connected. */
  get connected(): boolean {
    return this.#redis.status === 'ready';
  }

  /** There are new credentials: the engine's connections to other stages need them, too. */
  renewed(): void {
    if (this.#assignment) this.#keeper.assign(this.#assigned());
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
    else if (message.type === 'assignment') this.#watch?.read();
    else if (message.type === 'cancel') this.#attempts.cancel(message, this.#keeper.serving);
  }

  #assign(assignment: Assignment | null): void {
    const before = this.#assignment;
    const { nodeId } = this.#options;
    this.#logger.info({ id: assignment?.id, stages: assignment?.stages.length }, 'assigned');
    this.#assignment = assignment;
    if (assignment === null) {
      if (before) this.#keeper.replace('idle');
    } else if (before && this.#isServing() && sameLayers(before, assignment, nodeId)) {
      this.#keeper.assign(this.#assigned());
      this.#writeStatus();
    } else this.#keeper.replace('start');
  }

  /** Not what failed: it waits before it tries again, and would fail for the next assignment, too. */
  #isServing(): boolean {
    return this.#keeper.state.state !== 'failed';
  }

  #assigned(): Assigned {
    const { nodeId, key, listen } = this.#options;
    const assignment = this.#assignment;
    if (!assignment) throw new RangeError('nothing is assigned to this node');
    const redis = this.#credentials();
    return { assignment, nodeId, ...redis, ...(key && { key }), ...(listen && { listen }) };
  }

  #changed(): void {
    const { state } = this.#keeper.state;
    if (state === 'ready') this.#jobs.start();
    const phase = state === 'loading' ? this.#keeper.state.progress?.phase : undefined;
    const goesOn = phase !== undefined && phase === this.#phase;
    this.#phase = phase;
    if (!goesOn || performance.now() - this.#written > PROGRESS_MS) this.#writeStatus();
  }

  #writeStatus(): void {
    // Heartbeats that were due while Redis was away would say nothing about now.
    if (this.#redis.status !== 'ready' && this.#written > 0) return;
    this.#written = performance.now();
    this.#write(this.#status());
  }

  #status(): NodeStatus {
    const { state, notices, wrongBlobs, stats } = this.#keeper;
    return {
      type: 'status',
      boot: this.#boot,
      version: VERSION,
      state: this.#draining ? 'draining' : state.state,
      slots: this.#options.slots,
      capacity: this.#capacity(),
      ...(this.#assignment ? { assignment: this.#assignment.id } : {}),
      ...(stats ? { load: stats.load, links: stats.links } : {}),
      ...(state.state === 'ready' ? { ...state.ready, slots: this.#slots(state.ready.slots) } : {}),
      ...(state.state === 'loading' && state.progress ? { progress: state.progress } : {}),
      ...(state.state === 'failed' ? { failure: state.failure } : {}),
      ...(notices.length > 0 ? { notices: [...notices] } : {}),
      ...(wrongBlobs.length > 0 ? { wrongBlobs } : {}),
    };
  }

  #write(event: NodeEvent): void {
    this.#observe?.(event);
    this.#stream.write(event);
  }

  /** Only the head of a pipeline takes jobs. */
  #slots(engine: number): number {
    const { slots, nodeId } = this.#options;
    return this.#assignment?.stages[0]?.nodeId === nodeId ? Math.min(engine, slots) : 0;
  }

  #capacity(): NodeCapacity {
    const measured = this.#keeper.weightBytesPerSecond;
    const { capacity } = this.#options;
    return measured === null ? capacity : { ...capacity, weightBytesPerSecond: measured };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    this.#draining = true;
    this.#watch?.close();
    await this.#control?.[Symbol.asyncDispose]();
    await this.#keeper.stop();
    this.#attempts.failAll('the worker was stopped');
    await this.#jobs.close(true);
    await this.#stream[Symbol.asyncDispose]();
    await Promise.all([disconnect(this.#redis), disconnect(this.#jobsRedis)]);
  }
}
