/** Keeps an engine process running: starts it, and again when it ends or cannot serve. */
import { MAX_WRONG_BLOBS } from '@blyan/protocol/limits';
import type { LoadProgress, NodeFailure, WrongBlob } from '@blyan/protocol/node';
import type { Assigned, EngineStats } from './engine/messages.ts';
import type { AttemptEvent, EngineProcess, EngineReady, StartEngine } from './engine-port.ts';
import type { Logger } from './logger.ts';

/** Pauses before an engine that crashed is started again; a crash at each start must not spin. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** An engine that served for so long was well: its crash is the first one again. */
const WELL_MS = 60_000;
/**
 * An engine that cannot serve is tried again: a source of blobs may have come back. Each try reads and
 * hashes the model up to what is damaged, minutes of disk and cores for a big one: later each time.
 */
const FIRST_FAILED_PAUSE_MS = 30_000;
const MAX_FAILED_PAUSE_MS = 600_000;
/** Notices kept for the status. */
const MAX_NOTICES = 8;
/** A stranger at the door can cause notices without end: so many a minute are logged and told. */
const NOTICES_A_MINUTE = 30;

export type EngineState =
  /** Nothing is assigned, and there is no process. */
  | { state: 'idle' }
  | { state: 'loading'; progress?: LoadProgress }
  | { state: 'ready'; ready: EngineReady }
  /** Stays while it is tried again: until then nobody has a reason to wait for this node. */
  | { state: 'failed'; failure: NodeFailure };

export interface KeeperListener {
  /** The state changed. */
  changed(): void;
  event(event: AttemptEvent): void;
  /** All that ran on the engine is gone. */
  gone(reason: string): void;
}

export class EngineKeeper {
  readonly #start: StartEngine;
  readonly #listener: KeeperListener;
  readonly #logger: Logger;
  #engine: EngineProcess | null = null;
  #state: EngineState = { state: 'idle' };
  #stats: EngineStats | null = null;
  #weightBytesPerSecond: number | null = null;
  /** What follows when the present process, which we end, is gone. */
  #next: 'start' | 'idle' | null = null;
  #notices: string[] = [];
  #noticed = { since: Number.NEGATIVE_INFINITY, count: 0 };
  /** By source. */
  readonly #wrongBlobs = new Map<string, WrongBlob>();
  #pause = FIRST_PAUSE_MS;
  #failedPause = FIRST_FAILED_PAUSE_MS;
  /** The present process said that it cannot serve: we end it, it did not crash. */
  #gaveUp = false;
  #readySince = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped: (() => void) | null = null;

  constructor(start: StartEngine, listener: KeeperListener, logger: Logger) {
    this.#start = start;
    this.#listener = listener;
    this.#logger = logger;
  }

  get state(): EngineState {
    return this.#state;
  }
  get notices(): readonly string[] {
    return this.#notices;
  }
  /** Of the sources that sent wrong bytes, the newest ones. */
  get wrongBlobs(): WrongBlob[] {
    return [...this.#wrongBlobs.values()];
  }
  /** Of the present process; null before it has said any. */
  get stats(): EngineStats | null {
    return this.#stats;
  }
  /**
   * As the last process measured that did any work; null before. A new one has measured nothing, but the
   * machine is the same: back at its first guess it would look faster than those that work.
   */
  get weightBytesPerSecond(): number | null {
    return this.#weightBytesPerSecond;
  }
  /** The engine, if it can take attempts. */
  get serving(): EngineProcess | null {
    return this.#state.state === 'ready' ? this.#engine : null;
  }

  /** Ends the process, with all that runs on it; then another one starts, or none. */
  replace(next: 'start' | 'idle'): void {
    clearTimeout(this.#timer);
    this.#pause = FIRST_PAUSE_MS;
    this.#failedPause = FIRST_FAILED_PAUSE_MS;
    this.#next = next;
    this.#stats = null;
    this.#notices = [];
    this.#wrongBlobs.clear();
    this.#listener.gone('the layers of this node were assigned anew');
    this.#set({ state: next === 'idle' ? 'idle' : 'loading' });
    if (this.#engine) this.#engine.kill();
    else this.#go();
  }

  #go(): void {
    const next = this.#next;
    this.#next = null;
    if (next === 'start') this.start();
  }

  /** The same layers in another pipeline: they stay loaded. */
  assign(assigned: Assigned): void {
    try {
      this.#engine?.assign(assigned);
    } catch {
      // The process is just going; the next one is told when it starts.
    }
  }

  start(): void {
    this.#gaveUp = false;
    this.#loading();
    this.#engine = this.#start({
      progress: (progress) => this.#loading(progress),
      notice: (text) => this.#notice(text),
      wrongBlob: (wrong) => this.#wrongBlob(wrong),
      connecting: () => {
        if (this.#next === null) this.#set({ state: 'loading' });
      },
      stats: (stats) => {
        this.#stats = stats;
        this.#weightBytesPerSecond = stats.weightBytesPerSecond ?? this.#weightBytesPerSecond;
      },
      ready: (ready) => {
        if (this.#next !== null) return;
        this.#readySince = performance.now();
        this.#failedPause = FIRST_FAILED_PAUSE_MS;
        this.#logger.info({ ...ready }, 'the engine is ready');
        this.#set({ state: 'ready', ready });
      },
      failed: (failure) => {
        if (this.#next !== null) return;
        const pauseMs = this.#failedPause;
        this.#failedPause = Math.min(2 * pauseMs, MAX_FAILED_PAUSE_MS);
        this.#gaveUp = true;
        this.#logger.error({ ...failure, pauseMs }, 'the engine cannot serve');
        this.#listener.gone(failure.message);
        this.#set({ state: 'failed', failure });
        this.#timer = setTimeout(() => this.#engine?.kill(), pauseMs);
      },
      event: (event) => this.#listener.event(event),
      exit: (reason) => this.#exited(reason),
    });
  }

  /** Ends the engine process; resolves when it is gone. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const engine = this.#engine;
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      if (engine) engine.kill();
      else resolve();
    });
  }

  #exited(reason: string): void {
    clearTimeout(this.#timer);
    this.#engine = null;
    this.#stats = null;
    if (this.#stopped) {
      this.#stopped();
      return;
    }
    if (this.#next !== null) {
      this.#go();
      return;
    }
    const { state } = this.#state;
    // What failed was ended by us, after its pause; what crashed waits, longer each time.
    const wellFor = state === 'ready' ? performance.now() - this.#readySince : 0;
    if (wellFor > WELL_MS) this.#pause = FIRST_PAUSE_MS;
    const pause = this.#gaveUp ? 0 : this.#pause;
    if (!this.#gaveUp) {
      this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS);
      this.#logger.error({ reason, pauseMs: pause }, 'the engine process ended, starting it again');
      this.#loading();
      this.#listener.gone(`the engine process ended: ${reason}`);
    }
    this.#timer = setTimeout(() => this.start(), pause);
  }

  /** Told with the next heartbeat. */
  #notice(text: string): void {
    const now = performance.now();
    if (now - this.#noticed.since > 60_000) this.#noticed = { since: now, count: 0 };
    if (++this.#noticed.count > NOTICES_A_MINUTE) return;
    this.#logger.warn({ notice: text }, 'put right');
    this.#notices = [...this.#notices, text.slice(0, 2000)].slice(-MAX_NOTICES);
  }

  #wrongBlob(wrong: WrongBlob): void {
    this.#logger.warn({ ...wrong }, 'a source of blobs sent wrong bytes');
    this.#wrongBlobs.delete(wrong.source);
    this.#wrongBlobs.set(wrong.source, wrong);
    const [oldest = ''] = this.#wrongBlobs.keys();
    if (this.#wrongBlobs.size > MAX_WRONG_BLOBS) this.#wrongBlobs.delete(oldest);
    this.#listener.changed();
  }

  /** The reason why it could not serve outlives the tries that follow. */
  #loading(progress?: LoadProgress): void {
    if (this.#state.state === 'failed' || this.#next !== null) return;
    this.#set({ state: 'loading', ...(progress && { progress }) });
  }

  #set(state: EngineState): void {
    this.#state = state;
    this.#listener.changed();
  }
}
