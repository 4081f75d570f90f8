/** Keeps an engine process running: starts it, and again when it ends or cannot serve. */
import type { LoadProgress, NodeFailure } from '@blyan/protocol/node';
import type { AttemptEvent, EngineProcess, EngineReady, StartEngine } from './engine-port.ts';
import type { Logger } from './logger.ts';

/** Pauses before an engine that crashed is started again; a crash at each start must not spin. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** An engine that served for so long was well: its crash is the first one again. */
const WELL_MS = 60_000;
/** A failed engine is tried again this often: a source of blobs may have come back. */
const FAILED_PAUSE_MS = 30_000;
/** Notices kept for the status. */
const MAX_NOTICES = 8;

export type EngineState =
  | { state: 'loading'; progress?: LoadProgress }
  | { state: 'ready'; ready: EngineReady }
  | { state: 'failed'; failure: NodeFailure };

export interface KeeperListener {
  /** The state or the notices changed. */
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
  #state: EngineState = { state: 'loading' };
  #notices: string[] = [];
  #pause = FIRST_PAUSE_MS;
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
  /** The engine, if it can take attempts. */
  get serving(): EngineProcess | null {
    return this.#state.state === 'ready' ? this.#engine : null;
  }

  start(): void {
    this.#set({ state: 'loading' });
    this.#engine = this.#start({
      progress: (progress) => this.#set({ state: 'loading', progress }),
      notice: (text) => this.#notice(text),
      ready: (ready) => {
        this.#readySince = performance.now();
        this.#logger.info({ ...ready }, 'the engine is ready');
        this.#set({ state: 'ready', ready });
      },
      failed: (failure) => {
        this.#logger.error({ ...failure }, 'the engine cannot serve');
        this.#listener.gone(failure.message);
        this.#set({ state: 'failed', failure });
        this.#timer = setTimeout(() => this.#engine?.kill(), FAILED_PAUSE_MS);
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
    if (this.#stopped) {
      this.#stopped();
      return;
    }
    const { state } = this.#state;
    // What failed was ended by us, after its pause; what crashed waits, longer each time.
    const wellFor = state === 'ready' ? performance.now() - this.#readySince : 0;
    if (wellFor > WELL_MS) this.#pause = FIRST_PAUSE_MS;
    const pause = state === 'failed' ? 0 : this.#pause;
    if (state !== 'failed') {
      this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS);
      this.#logger.error({ reason, pauseMs: pause }, 'the engine process ended, starting it again');
      this.#set({ state: 'loading' });
      this.#listener.gone(`the engine process ended: ${reason}`);
    }
    this.#timer = setTimeout(() => this.start(), pause);
  }

  #notice(text: string): void {
    this.#logger.warn({ notice: text }, 'put right');
    this.#notices = [...this.#notices, text.slice(0, 2000)].slice(-MAX_NOTICES);
    this.#listener.changed();
  }

  #set(state: EngineState): void {
    this.#state = state;
    this.#listener.changed();
  }
}
