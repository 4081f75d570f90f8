/**
 * A stage that is not the head: takes hidden states from the stage before it, runs its layers, passes
 * them on. It knows no tokens, and believes nothing: what is out of order or of another shape ends the
 * epoch with an error to the head, which begins a new one.
 */

import { encodeFrame, type Frame } from '@blyan/protocol/frames';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { NodeLink, NumericsProfile } from '@blyan/protocol/node';
import type { StageSession } from '../engine/stage-session.ts';
import { StageError } from './errors.ts';
import { packHidden, unpackHidden } from './hidden.ts';
import { accept, frameOf, Hop, type Membership } from './member.ts';
import type { Progress, StageFailure, Welcome } from './messages.ts';
import type { Arrival, StageNet } from './net.ts';
import { StageCaches } from './stage-caches.ts';

/** A head that was silent for so long is gone: its caches are memory that another can use. */
const IDLE_MS = 30_000;
const TICK_MS = 1000;
/** Frames that wait for their run. A head has a few in flight: as many groups and chunks as stages. */
const MAX_WAITING = 1024;

export interface StageServerOptions extends Membership {
  numerics: NumericsProfile;
  /** For all KV caches. */
  kvBytes: number;
  bytesPerPosition: number;
  /** Tests shorten it. */
  idleMs?: number;
}

export interface StageServerDeps {
  session: StageSession;
  net: StageNet;
  /** Something that is worth a line in the log. */
  notice(text: string): void;
  /** A decode run over all layers of this stage took so long. */
  onDecode?(ms: number): void;
}

interface Epoch {
  number: number;
  hop: Hop | null;
  /** Number of the frame that is due. */
  due: number;
  waiting: Frame[];
  progress: Progress;
}

export class StageServer {
  readonly #options: StageServerOptions;
  readonly #deps: StageServerDeps;
  readonly #caches: StageCaches;
  readonly #tick: NodeJS.Timeout;
  #epoch: Epoch | null = null;
  #running = false;
  #heard = performance.now();

  constructor(options: StageServerOptions, deps: StageServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { config } = deps.session;
    const { kvBytes: bytes, bytesPerPosition } = options;
    this.#caches = new StageCaches({ config, bytes, bytesPerPosition }, () =>
      deps.session.createCache(),
    );
    deps.net.listen((arrival) => this.#arrive(arrival));
    this.#tick = setInterval(() => this.#watch(), TICK_MS);
  }

  /** Sequences with positions here, and the bytes that they take. */
  get load(): { sequences: number; kvBytes: number } {
    return { sequences: this.#caches.size, kvBytes: this.#caches.bytes };
  }

  get links(): NodeLink[] {
    const link = this.#epoch?.hop?.link;
    return link ? [link] : [];
  }

  #arrive(arrival: Arrival): void {
    const frame = accept(this.#options, arrival, this.#deps.notice);
    if (!frame) return;
    const { kind, from, epoch, run } = frame;
    if (kind === 'hello') {
      if (from === 0) void this.#begin(epoch);
      return;
    }
    const current = this.#epoch;
    if (current?.number !== epoch) return;
    if (kind === 'ping') {
      if (from === 0) this.#heard = performance.now();
      const body = JSON.stringify(current.progress);
      arrival.reply(encodeFrame(frameOf(this.#options, 'pong', { epoch, run, body })));
    } else if (kind === 'pong') current.hop?.pong(run);
    else if (kind === 'run' || kind === 'copy' || kind === 'keep') this.#take(frame, current);
  }

  /** The head begins anew; it repeats its hello until it is welcomed. */
  async #begin(number: number): Promise<void> {
    this.#heard = performance.now();
    if (this.#epoch?.number === number) {
      if (this.#epoch.hop) this.#welcome(number);
      return;
    }
    this.#end();
    const progress = { received: 0, sent: 0 };
    const epoch: Epoch = { number, hop: null, due: 0, waiting: [], progress };
    this.#epoch = epoch;
    try {
      const hop = await Hop.open(this.#options, number, this.#deps.net, (reason) => {
        const next = (this.#options.index + 1) % this.#options.assignment.stages.length;
        this.#fail(epoch, new StageError('STAGE_LOST', next, reason));
      });
      if (this.#epoch !== epoch) {
        hop.close();
        return;
      }
      epoch.hop = hop;
      hop.ping();
      this.#welcome(number);
    } catch (error) {
      this.#fail(epoch, error);
    }
  }

  #welcome(epoch: number): void {
    const { numerics } = this.#options;
    const { slots } = this.#deps.session;
    const welcome: Welcome = { numerics, slots, kvPositions: this.#caches.positions };
    this.#post('welcome', epoch, JSON.stringify(welcome));
  }

  #take(frame: Frame, epoch: Epoch): void {
    const before = this.#options.index - 1;
    if (frame.from !== before) {
      this.#deps.notice(`a ${frame.kind} frame of stage ${frame.from}, dropped`);
      return;
    }
    if (frame.seq !== epoch.due || epoch.waiting.length >= MAX_WAITING) {
      const text = `frame ${frame.seq} of stage ${before} came when ${epoch.due} was due`;
      this.#fail(epoch, new StageError('STAGE_ORDER', before, text));
      return;
    }
    epoch.due = (epoch.due + 1) >>> 0;
    if (frame.kind === 'run') epoch.progress.received = frame.run;
    epoch.waiting.push(frame);
    if (!this.#running) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running = true;
    // Frames that have arrived meanwhile get their turn, pings before all.
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    for (;;) {
      const epoch = this.#epoch;
      const frame = epoch?.waiting.shift();
      if (!epoch || !frame) break;
      try {
        await this.#handle(frame, epoch);
      } catch (error) {
        this.#fail(epoch, error);
      }
      await turn();
    }
    this.#running = false;
  }

  async #handle(frame: Frame, epoch: Epoch): Promise<void> {
    const { kind, groups, run, mode, wanted } = frame;
    if (kind === 'run') {
      const hidden = await this.#run(frame);
      // A new epoch may have begun during the run, and its caches are others.
      if (this.#epoch !== epoch) return;
      const { assignment, index } = this.#options;
      const last = index === assignment.stages.length - 1;
      const { hidden: width } = this.#deps.session.config;
      const values = last ? hidden.subarray(hidden.length - wanted * width) : hidden;
      const payload = values.length > 0 ? packHidden(assignment.frames, values, width) : null;
      epoch.progress.sent = run;
      epoch.hop?.send(last ? 'result' : 'run', { run, mode, wanted, groups, payload });
      return;
    }
    const [first, second] = groups;
    if (kind === 'copy' && first && second) {
      this.#blaming(() => this.#caches.copy(first.cache, second.cache, first.count));
    } else if (kind === 'keep' && first) this.#caches.keep(first.cache, first.position);
    epoch.hop?.send(kind, { groups });
  }

  /** [rows, hidden] behind the last layer of this stage. */
  async #run(frame: Frame): Promise<Float32Array> {
    const { session } = this.#deps;
    const { mode, groups, wanted } = frame;
    const hidden = this.#hidden(frame);
    const rows = hidden.length / session.config.hidden;
    const [first] = groups;
    const decode = mode === 'decode';
    const shaped = decode
      ? groups.length === rows && rows <= session.slots && groups.every((g) => g.count === 1)
      : mode !== 'none' && groups.length === 1 && first?.count === rows;
    const unlike = new Set(groups.map(({ cache }) => cache)).size === groups.length;
    if (!shaped || !unlike || !first || wanted > rows) {
      throw this.#wrong(`a ${mode} of ${rows} rows for ${groups.length} sequences`);
    }
    const caches = this.#blaming(() =>
      groups.map(({ cache, position, count }) => this.#caches.at(cache, position, count)),
    );
    const start = performance.now();
    let out: Float32Array | null;
    if (decode) {
      if (groups.some(({ position }) => position === 0))
        throw this.#wrong('a decode without a past');
      ({ hidden: out } = await session.decode(caches, { hidden }));
      this.#deps.onDecode?.(performance.now() - start);
    } else if (mode === 'check') {
      if (rows < 2 || rows > session.room(caches[0]!)) throw this.#wrong(`a check of ${rows} rows`);
      ({ hidden: out } = await session.check(caches[0]!, { hidden }));
    } else ({ hidden: out } = await session.prefill(caches[0]!, { input: { hidden }, rows: [] }));
    return out!;
  }

  #hidden({ payload }: Frame): Float32Array {
    const { hidden: width } = this.#deps.session.config;
    const { frames } = this.#options.assignment;
    if (payload?.type === frames && payload.width === width) return unpackHidden(payload);
    const got = payload ? `${payload.type} [${payload.rows}, ${payload.width}]` : 'nothing';
    throw this.#wrong(`hidden states are ${frames} [rows, ${width}], not ${got}`);
  }

  /** What the frames say is the doing of the stage that sent them. */
  #wrong(text: string): StageError {
    return new StageError('STAGE_SHAPE', this.#options.index - 1, text);
  }
  #blaming<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof StageError)) throw error;
      const { index } = this.#options;
      const culprit = error.code === 'STAGE_MEMORY' ? index : index - 1;
      throw new StageError(error.code, culprit, error.message);
    }
  }

  #fail(epoch: Epoch, error: unknown): void {
    if (this.#epoch !== epoch) return;
    this.#end();
    const { code, stage, message } = (error ?? {}) as Partial<StageError>;
    const failure: StageFailure = {
      code: code ?? 'SESSION_FAILED',
      message: (message ?? String(error)).slice(0, MAX_ERROR_CHARS),
      culprit: stage ?? this.#options.index,
    };
    this.#deps.notice(`${failure.code} ${failure.message}`);
    this.#post('error', epoch.number, JSON.stringify(failure));
  }

  #post(kind: 'welcome' | 'error', epoch: number, body: string): void {
    this.#deps.net.post(0, encodeFrame(frameOf(this.#options, kind, { epoch, body })));
  }

  #watch(): void {
    const { idleMs = IDLE_MS } = this.#options;
    if (this.#epoch && performance.now() - this.#heard > idleMs) this.#end();
    this.#epoch?.hop?.ping();
  }

  #end(): void {
    this.#epoch?.hop?.close();
    this.#epoch = null;
    this.#caches.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#tick);
    this.#end();
    await this.#deps.net[Symbol.asyncDispose]();
  }
}
