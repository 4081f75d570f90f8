/** A node that speaks the real protocol over the real Redis and does what its script says. */
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeControl, NodeEvent, NodeJob, NodeStatus } from '@blyan/protocol/node';
import { readAssignment } from '@blyan/queue/assignments';
import { connect, disconnect, type Redis } from '@blyan/queue/connection';
import { ControlSubscription } from '@blyan/queue/control';
import { nodeStream } from '@blyan/queue/names';
import { NodeJobWorker } from '@blyan/queue/node-queue';
import { NodeStreamWriter } from '@blyan/queue/node-stream';
import { quiet } from './quiet.ts';

/** What this peer's "model" says at an output position: every node says the same. */
export const tokenAt = (position: number) => 300 + ((position * 37) % 500);
export const tokensUpTo = (count: number) => Array.from({ length: count }, (_, i) => tokenAt(i));

const HEARTBEAT_MS = 200;

type Body<T extends NodeEvent['type']> = Omit<
  Extract<NodeEvent, { type: T }>,
  'type' | 'requestId' | 'attempt'
>;

/** One attempt, as a script sees it. */
export class Play {
  readonly job: NodeJob;
  readonly node: ScriptedNode;
  readonly cancelled: AbortSignal;

  constructor(job: NodeJob, node: ScriptedNode, cancelled: AbortSignal) {
    this.job = job;
    this.node = node;
    this.cancelled = cancelled;
  }
  get from(): number {
    return this.job.emitted.length;
  }
  send<T extends 'prefill' | 'tokens' | 'done' | 'fail'>(type: T, body: Body<T>): void {
    const { requestId, attempt } = this.job;
    this.node.write({ type, requestId, attempt, ...body } as unknown as NodeEvent);
  }
  tokens(position: number, tokens: number[] = [tokenAt(position)]): void {
    this.send('tokens', { position, tokens });
  }
  done(count: number): void {
    this.send('done', { count, prefillMs: 1, decodeMs: 1 });
  }
  /** Plays the answer properly from `from` to `to`, one token every `ms`. */
  async run(to: number, ms = 5): Promise<void> {
    for (let p = this.from; p < to && !this.cancelled.aborted; p++) {
      this.tokens(p);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }
  /** Until the coordinator takes the attempt away. */
  async untilCancelled(): Promise<void> {
    if (this.cancelled.aborted) return;
    await new Promise((resolve) => this.cancelled.addEventListener('abort', resolve));
  }
}

export type Script = (play: Play) => Promise<void>;

/** Does all that was asked for. */
export const proper: Script = async (play) => {
  const total = play.job.prompt.length + play.from;
  play.send('prefill', { done: total, total });
  const { maxTokens } = play.job.params;
  await play.run(maxTokens);
  if (!play.cancelled.aborted) play.done(maxTokens);
};

export interface NodeOptions {
  id: string;
  redisUrl: string;
  model: string;
  script?: Script;
  slots?: number;
  /** Opens its connections; default: as the one who owns Redis. */
  connect?: (name: string) => Redis;
  /** Bytes: with it, it waits for an assignment. */
  memory?: number;
}

const opener = ({ redisUrl, connect: open }: NodeOptions) =>
  open ?? ((name: string) => connect(redisUrl, { name, logger: quiet }));

export class ScriptedNode {
  readonly id: string;
  readonly jobs: NodeJob[] = [];
  readonly controls: NodeControl[] = [];
  readonly assignments: Assignment[] = [];
  /** Whether it gets ready when it is assigned something. */
  loads = true;
  status: NodeStatus;
  script: Script;
  readonly #redis: ReturnType<typeof connect>;
  readonly #stream: NodeStreamWriter;
  readonly #running = new Map<string, AbortController>();
  #worker: NodeJobWorker;
  #control: ControlSubscription | undefined;
  #beat: NodeJS.Timeout | undefined;

  private constructor(options: NodeOptions) {
    const { id, model, script = proper, slots = 2, memory } = options;
    this.id = id;
    this.script = script;
    this.#redis = opener(options)(id);
    this.#stream = new NodeStreamWriter({ redis: this.#redis, nodeId: id, logger: quiet });
    this.#worker = new NodeJobWorker(
      { redis: this.#redis, nodeId: id, slots: Math.max(1, slots), logger: quiet },
      (job) => this.#run(job),
    );
    this.status = {
      type: 'status',
      boot: `${id}-1`,
      version: '0.1.0',
      state: 'ready',
      model,
      layers: [0, 3],
      numerics: { provider: 'cpu', runtime: 'test', weights: ['f32'], matmul: 'f32', kv: 'f32' },
      slots,
      context: 512,
    };
    if (memory === undefined) return;
    const { model: _model, layers: _layers, ...rest } = this.status;
    const capacity = { memoryBytes: memory, weightBytesPerSecond: 1e9, addresses: [] };
    this.status = { ...rest, state: 'idle', capacity };
  }

  /** Loads what it is assigned, at once; may be told several times. */
  async #assigned(): Promise<void> {
    const assignment = await readAssignment(this.#redis, this.id);
    if (!this.status.capacity || !assignment || assignment.id === this.status.assignment) return;
    this.assignments.push(assignment);
    const { id, model, stages } = assignment;
    const layers = stages.find(({ nodeId }) => nodeId === this.id)?.layers;
    this.say({ state: 'loading', assignment: id });
    if (this.loads && layers) this.say({ state: 'ready', model, layers });
  }

  static async start(options: NodeOptions): Promise<ScriptedNode> {
    const node = new ScriptedNode(options);
    node.#control = await ControlSubscription.node(
      node.id,
      { url: opener(options), logger: quiet },
      (message) => {
        node.controls.push(message);
        if (message.type === 'assignment') void node.#assigned();
        if (message.type === 'cancel') {
          node.#running.get(`${message.requestId}/${message.attempt}`)?.abort();
        }
      },
    );
    node.thaw();
    node.#worker.start();
    await node.#assigned();
    return node;
  }

  write(event: NodeEvent): void {
    this.#stream.write(event);
  }
  /** Writes what no proper node would. */
  async writeRaw(text: string): Promise<void> {
    await this.#redis.xadd(nodeStream(this.id), '*', 'e', text);
  }
  /** Changes the status and says so at once. */
  say(change: Partial<NodeStatus>): void {
    this.status = { ...this.status, ...change };
    this.write(this.status);
  }
  /** Falls silent, as a killed process does. */
  freeze(): void {
    clearInterval(this.#beat);
  }
  thaw(): void {
    clearInterval(this.#beat);
    this.write(this.status);
    this.#beat = setInterval(() => this.write(this.status), HEARTBEAT_MS);
  }

  async #run(job: NodeJob): Promise<void> {
    this.jobs.push(job);
    const key = `${job.requestId}/${job.attempt}`;
    const cancelled = new AbortController();
    this.#running.set(key, cancelled);
    await this.script(new Play(job, this, cancelled.signal));
    this.#running.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.freeze();
    for (const cancelled of this.#running.values()) cancelled.abort();
    await this.#worker.close(true);
    await this.#control?.[Symbol.asyncDispose]();
    await this.#stream[Symbol.asyncDispose]();
    await disconnect(this.#redis);
  }
}
