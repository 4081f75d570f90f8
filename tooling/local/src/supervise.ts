/** Keeps a part running: starts it again when it ends by itself, later each time, and says so. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Running {
  pid: number;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when nothing of it is left. `force` skips waiting for its work. */
  stop(force: boolean): Promise<void>;
}

export interface PartSpec {
  name: string;
  start(): Promise<Running>;
}

export interface SuperviseDeps {
  say: (line: string) => void;
  /** After every start. */
  onStart: (name: string, pid: number) => Promise<void>;
}

const BACKOFF_MS = [200, 1_000, 2_000, 5_000, 10_000];
/** A part that ran this long had started well: the next crash is a new story. */
const STEADY_MS = 60_000;

export class Part {
  readonly name: string;
  readonly #spec: PartSpec;
  readonly #deps: SuperviseDeps;
  #running: Running | null = null;
  #failures = 0;
  #lastExit = '';
  #stopping = false;
  #loop: Promise<void> = Promise.resolve();
  readonly #abort = new AbortController();

  constructor(spec: PartSpec, deps: SuperviseDeps) {
    this.name = spec.name;
    this.#spec = spec;
    this.#deps = deps;
  }

  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** Crashes in a row. */
  get failures(): number {
    return this.#failures;
  }

  get lastExit(): string {
    return this.#lastExit;
  }

  /** The first start must succeed; later ones are retried for ever. */
  async start(): Promise<void> {
    await this.#launch();
    this.#loop = this.#watch();
  }

  async #launch(): Promise<void> {
    this.#running = await this.#spec.start();
    await this.#deps.onStart(this.name, this.#running.pid);
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      const started = Date.now();
      if (this.#running) {
        const { code, signal } = await this.#running.exited;
        // Helper processes of a part that was killed go with it.
        await this.#running.stop(true);
        this.#running = null;
        if (this.#stopping) return;
        this.#lastExit = signal ? `killed by ${signal}` : `exit code ${code}`;
        if (Date.now() - started > STEADY_MS) this.#failures = 0;
      }
      const wait = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)] ?? 0;
      this.#failures++;
      this.#deps.say(
        `${this.name} ended (${this.#lastExit}): starting it again in ${wait / 1000} s`,
      );
      await sleep(wait, undefined, { signal: this.#abort.signal }).catch(() => undefined);
      if (this.#stopping) return;
      try {
        await this.#launch();
        this.#deps.say(`${this.name} is running again (process ${this.pid})`);
      } catch (error) {
        this.#lastExit = (error as Error).message;
      }
    }
  }

  async stop(force: () => boolean): Promise<void> {
    this.#stopping = true;
    this.#abort.abort();
    await this.#running?.stop(force());
    await this.#loop;
    // A start that was under way when we were told to stop.
    await this.#running?.stop(true);
    this.#running = null;
  }
}
