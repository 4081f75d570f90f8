/**
 * The stages behind the head, as the head sees them: hidden states in, hidden states of the last layer
 * out. Several runs are in flight; they come back in their order. Anything that goes wrong loses the
 * epoch: all that is in flight fails, with the stage that is to blame, and `connect` begins another one.
 */
import { randomInt } from 'node:crypto';
import { encodeFrame, type Frame, type FrameGroup, type RunMode } from '@blyan/protocol/frames';
import type { NodeLink } from '@blyan/protocol/node';
import { StageError } from './errors.ts';
import { packHidden, unpackHidden } from './hidden.ts';
import { accept, frameOf, Hop, type Membership } from './member.ts';
import { Progress, readBody, StageFailure, Welcome } from './messages.ts';
import type { Arrival, StageNet } from './net.ts';

/** A hello is repeated until all stages have answered: a stage that loads does not hear it. */
const HELLO_MS = 300;
const TICK_MS = 500;
/**
 * A stage answers between two runs. The longest run is a prefill chunk, about 250 ms of two cores for
 * all layers together (prefill-chunks.ts); a machine under load takes some times that.
 */
const SILENT_MS = 3500;
/** A run that nobody works on for so long is lost. */
const STUCK_MS = 3000;

export interface RemoteStagesOptions extends Membership {
  /** Numbers in a row of hidden states. */
  width: number;
  silentMs?: number;
}

export interface RemoteStagesDeps {
  net: StageNet;
  notice(text: string): void;
  /** The epoch is lost; nothing is in flight any more. */
  lost(error: StageError): void;
}

export interface RemoteRun {
  mode: RunMode;
  groups: FrameGroup[];
  /** [rows, width] */
  hidden: Float32Array;
  /** Of the last rows, how many come back. */
  wanted: number;
}

interface Flying {
  run: number;
  wanted: number;
  since: number;
  resolve(hidden: Float32Array | null): void;
  reject(error: StageError): void;
}

interface Watched {
  heard: number;
  /** Monotonic ms of a ping that has no answer yet. */
  asked: number | null;
  progress: Progress;
  moved: number;
}

interface Epoch {
  number: number;
  hop: Hop | null;
  welcomes: Map<number, Welcome>;
  welcomed: () => void;
  flying: Flying[];
  due: number;
  nextRun: number;
  watched: Watched[];
}

export class RemoteStages {
  readonly #options: RemoteStagesOptions;
  readonly #deps: RemoteStagesDeps;
  readonly #count: number;
  #epoch: Epoch | null = null;
  #loss: StageError | null = null;
  #tick: NodeJS.Timeout | undefined;

  constructor(options: RemoteStagesOptions, deps: RemoteStagesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#count = options.assignment.stages.length;
    deps.net.listen((arrival) => this.#arrive(arrival));
  }

  /** 0 while there is none. */
  get epoch(): number {
    return this.#epoch?.hop ? this.#epoch.number : 0;
  }

  /** Why the last epoch ended, or that there was none. */
  get loss(): StageError {
    return this.#loss ?? notConnected();
  }

  get links(): NodeLink[] {
    const link = this.#epoch?.hop?.link;
    return link ? [link] : [];
  }

  /** Runs that are in flight. */
  get flying(): number {
    return this.#epoch?.flying.length ?? 0;
  }

  /** Begins an epoch; resolves when all stages are ready for it, however long that takes. */
  async connect(signal: AbortSignal): Promise<Welcome[]> {
    this.#end();
    const epoch: Epoch = {
      // 0 stands for none.
      number: randomInt(1, 2 ** 32),
      hop: null,
      welcomes: new Map(),
      welcomed: () => undefined,
      flying: [],
      due: 0,
      nextRun: 1,
      watched: [],
    };
    this.#epoch = epoch;
    while (epoch.welcomes.size < this.#count - 1) {
      signal.throwIfAborted();
      if (this.#epoch !== epoch) throw lostEarly();
      for (let to = 1; to < this.#count; to++) {
        if (!epoch.welcomes.has(to)) this.#post(to, 'hello', epoch, 0);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, HELLO_MS);
        epoch.welcomed = () => {
          if (epoch.welcomes.size < this.#count - 1) return;
          clearTimeout(timer);
          resolve();
        };
      });
    }
    signal.throwIfAborted();
    const hop = await Hop.open(this.#options, epoch.number, this.#deps.net, (reason) =>
      this.#lose(epoch, new StageError('STAGE_LOST', 1, reason)),
    );
    if (this.#epoch !== epoch) {
      hop.close();
      throw lostEarly();
    }
    epoch.hop = hop;
    hop.ping();
    const now = performance.now();
    epoch.watched = Array.from({ length: this.#count }, () => ({
      heard: now,
      asked: null,
      progress: { received: 0, sent: 0 },
      moved: now,
    }));
    this.#tick = setInterval(() => this.#watch(epoch), TICK_MS);
    return Array.from({ length: this.#count - 1 }, (_, i) => epoch.welcomes.get(i + 1)!);
  }

  /**
   * Sends at once; resolves with the wanted rows [wanted, width], null for none.
   * @throws StageError STAGE_LOST, STAGE_ORDER, STAGE_SHAPE, STAGE_MEMORY
   */
  run({ mode, groups, hidden, wanted }: RemoteRun): Promise<Float32Array | null> {
    const epoch = this.#epoch;
    if (!epoch?.hop) return Promise.reject(this.loss);
    const { hop } = epoch;
    return new Promise((resolve, reject) => {
      const run = epoch.nextRun;
      epoch.nextRun = run === 0xffffffff ? 1 : run + 1;
      epoch.flying.push({ run, wanted, since: performance.now(), resolve, reject });
      const { assignment, width } = this.#options;
      const payload = packHidden(assignment.frames, hidden, width);
      hop.send('run', { run, mode, wanted, groups, payload });
    });
  }

  /** Cache `to` begins with the first `length` positions of cache `from`, in all stages. */
  copy(from: number, to: number, length: number): void {
    const groups = [from, to].map((cache) => ({ cache, position: 0, count: length }));
    this.#epoch?.hop?.send('copy', { groups });
  }

  /** Shrinks a cache in all stages; to no positions frees it. */
  keep(cache: number, length: number): void {
    this.#epoch?.hop?.send('keep', { groups: [{ cache, position: length, count: 0 }] });
  }

  #arrive(arrival: Arrival): void {
    const frame = accept(this.#options, arrival, this.#deps.notice);
    const epoch = this.#epoch;
    if (!frame || !epoch || frame.epoch !== epoch.number || frame.from === 0) return;
    const { kind } = frame;
    if (kind === 'welcome') this.#welcomed(frame, epoch);
    else if (kind === 'error') this.#failed(frame, epoch);
    else if (kind === 'ping') {
      const body = JSON.stringify({ received: epoch.due, sent: epoch.due });
      const content = { epoch: epoch.number, run: frame.run, body };
      arrival.reply(encodeFrame(frameOf(this.#options, 'pong', content)));
    } else if (kind === 'pong') {
      // Those of the hop are numbered from 1, those of the watch are 0.
      if (frame.run > 0) epoch.hop?.pong(frame.run);
      else this.#heard(frame, epoch);
    } else if (kind === 'result' || kind === 'copy' || kind === 'keep') this.#take(frame, epoch);
  }

  #welcomed(frame: Frame, epoch: Epoch): void {
    const welcome = readBody(Welcome, frame.body);
    if (!welcome) {
      this.#deps.notice(`stage ${frame.from} welcomes with nonsense`);
      return;
    }
    epoch.welcomes.set(frame.from, welcome);
    epoch.welcomed();
  }

  #take(frame: Frame, epoch: Epoch): void {
    if (frame.from !== this.#count - 1) return;
    const wrong = this.#problem(frame, epoch);
    if (wrong) {
      this.#lose(epoch, wrong);
      return;
    }
    epoch.due = (epoch.due + 1) >>> 0;
    if (frame.kind !== 'result') return;
    const { payload } = frame;
    epoch.flying.shift()?.resolve(payload && unpackHidden(payload));
  }

  /** What is wrong with what the last stage sent. */
  #problem({ kind, seq, run, payload }: Frame, { due, flying }: Epoch): StageError | null {
    const last = this.#count - 1;
    if (seq !== due) {
      const text = `frame ${seq} of stage ${last} came when ${due} was due`;
      return new StageError('STAGE_ORDER', last, text);
    }
    if (kind !== 'result') return null;
    const [first] = flying;
    if (first?.run !== run) {
      const text = `the result of run ${run} came when ${first?.run ?? 'none'} was due`;
      return new StageError('STAGE_ORDER', last, text);
    }
    const { assignment, width } = this.#options;
    const right = !payload || (payload.width === width && payload.type === assignment.frames);
    if (right && (payload?.rows ?? 0) === first.wanted) return null;
    const got = payload ? `${payload.type} [${payload.rows}, ${payload.width}]` : 'nothing';
    const text = `stage ${last} gave ${got} for ${assignment.frames} [${first.wanted}, ${width}]`;
    return new StageError('STAGE_SHAPE', last, text);
  }

  #failed(frame: Frame, epoch: Epoch): void {
    const failure = readBody(StageFailure, frame.body);
    const code = CODES.find((known) => known === failure?.code) ?? 'STAGE_LOST';
    const culprit = failure && failure.culprit < this.#count ? failure.culprit : frame.from;
    const text = `stage ${frame.from} failed: ${failure?.code} ${failure?.message}`;
    this.#lose(epoch, new StageError(code, culprit, text));
  }

  #heard(frame: Frame, epoch: Epoch): void {
    const watched = epoch.watched[frame.from];
    const progress = readBody(Progress, frame.body);
    if (!watched || !progress) return;
    watched.heard = performance.now();
    watched.asked = null;
    const { received, sent } = watched.progress;
    if (progress.received !== received || progress.sent !== sent) watched.moved = watched.heard;
    watched.progress = progress;
  }

  #watch(epoch: Epoch): void {
    epoch.hop?.ping();
    const { silentMs = SILENT_MS } = this.#options;
    const now = performance.now();
    for (let stage = 1; stage < this.#count; stage++) {
      const watched = epoch.watched[stage]!;
      if (watched.asked === null) watched.asked = now;
      else if (now - watched.asked > silentMs) {
        // A run of our own may have kept us from hearing it: what has come is read first.
        setImmediate(() => {
          if (watched.asked === null || this.#epoch !== epoch) return;
          const text = `stage ${stage} has not answered for ${Math.round(now - watched.heard)} ms`;
          this.#lose(epoch, new StageError('STAGE_LOST', stage, text));
        });
        continue;
      }
      this.#post(stage, 'ping', epoch, 0);
    }
    const [oldest] = epoch.flying;
    if (!oldest || now - oldest.since < STUCK_MS) return;
    const moved = Math.max(...epoch.watched.slice(1).map((watched) => watched.moved));
    const heard = Math.min(...epoch.watched.slice(1).map((watched) => watched.heard));
    // All have answered, and none of them has anything to do.
    if (now - moved < STUCK_MS || now - heard > 2 * TICK_MS) return;
    const stage = this.#holder(epoch, oldest.run);
    const text = `run ${oldest.run} is lost at stage ${stage}`;
    this.#lose(epoch, new StageError('STAGE_LOST', stage, text));
  }

  /** The first stage that a run did not come out of. */
  #holder({ watched }: Epoch, run: number): number {
    for (let stage = 1; stage < this.#count; stage++) {
      if (watched[stage]!.progress.sent < run) return stage;
    }
    return this.#count - 1;
  }

  #post(to: number, kind: 'hello' | 'ping', { number }: Epoch, run: number): void {
    const frame = frameOf(this.#options, kind, { epoch: number, run });
    this.#deps.net.post(to, encodeFrame(frame));
  }

  #lose(epoch: Epoch, error: StageError): void {
    if (this.#epoch !== epoch) return;
    const { assignment } = this.#options;
    const culprit = error.stage > 0 ? assignment.stages[error.stage]?.nodeId : undefined;
    if (culprit !== undefined) error.culprit = culprit;
    this.#loss = error;
    this.#deps.notice(error.message);
    const { flying, hop } = epoch;
    this.#end();
    for (const { reject } of flying) reject(error);
    // Before the first run there is nothing to lose; `connect` goes on, with another epoch.
    if (hop) this.#deps.lost(error);
    epoch.welcomed();
  }

  #end(): void {
    clearInterval(this.#tick);
    this.#epoch?.hop?.close();
    this.#epoch = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const epoch = this.#epoch;
    this.#end();
    const error = new StageError('ASSIGNMENT_CHANGED', 0, 'The pipeline was closed.');
    for (const { reject } of epoch?.flying ?? []) reject(error);
    await this.#deps.net[Symbol.asyncDispose]();
  }
}

const CODES = ['STAGE_LOST', 'STAGE_ORDER', 'STAGE_SHAPE', 'STAGE_MEMORY'] as const;

const lostEarly = () =>
  new StageError('STAGE_LOST', 0, 'A stage was lost while the pipeline was connected.');

const notConnected = () =>
  new StageError('PIPELINE_CONNECTING', 0, 'The stages of this pipeline are not connected.');
