/** The attempts that this worker runs now. A job that is delivered twice runs once. */
import type { NodeJob } from '@blyan/protocol/node';
import type { AttemptEvent, EngineProcess } from './engine-port.ts';

/** Cancels that came before their job are remembered this long: the two travel separately. */
const CANCEL_MEMORY_MS = 60_000;
/** An engine that does not end a cancelled attempt within this time no longer holds its slot. */
const CANCEL_PATIENCE_MS = 10_000;

interface Running {
  attempt: AttemptKey;
  over: Promise<void>;
  end(): void;
  cancelled: boolean;
}

type AttemptKey = { requestId: string; attempt: number };
const keyOf = ({ requestId, attempt }: AttemptKey) => `${requestId}/${attempt}`;

export class Attempts {
  readonly #running = new Map<string, Running>();
  readonly #cancelled = new Map<string, number>();
  readonly #write: (event: AttemptEvent) => void;

  constructor(write: (event: AttemptEvent) => void) {
    this.#write = write;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Runs an attempt; resolves when it is over, however it ended. */
  run(job: NodeJob, engine: EngineProcess | null): Promise<void> {
    const key = keyOf(job);
    const known = this.#running.get(key);
    if (known) return known.over;
    if (this.#forgetCancelled(key)) return Promise.resolve();
    if (!engine) {
      this.#write(failure(job, 'ENGINE_NOT_READY', 'this worker is not ready', true));
      return Promise.resolve();
    }
    if (this.#supersede(job, engine)) return Promise.resolve();
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      end = () => {
        this.#running.delete(key);
        resolve();
      };
    });
    const attempt = { requestId: job.requestId, attempt: job.attempt };
    this.#running.set(key, { attempt, over, end, cancelled: false });
    try {
      engine.submit(job);
    } catch (error) {
      this.pass(failure(job, 'ENGINE_EXITED', (error as Error).message, true));
    }
    return over;
  }

  /** Ends older attempts at the same answer; true when there is a newer one than this. */
  #supersede({ requestId, attempt }: AttemptKey, engine: EngineProcess): boolean {
    for (const running of this.#running.values()) {
      if (running.attempt.requestId !== requestId) continue;
      if (running.attempt.attempt > attempt) return true;
      this.cancel(running.attempt, engine);
    }
    return false;
  }

  /** Passes an event of the engine on. What is cancelled has nobody who waits for it. */
  pass(event: AttemptEvent): void {
    const running = this.#running.get(keyOf(event));
    if (!running) return;
    if (!running.cancelled) this.#write(event);
    if (event.type === 'done' || event.type === 'fail') running.end();
  }

  cancel(attempt: AttemptKey, engine: EngineProcess | null): void {
    const key = keyOf(attempt);
    const running = this.#running.get(key);
    if (!running) {
      this.#cancelled.set(key, performance.now());
      return;
    }
    if (running.cancelled) return;
    running.cancelled = true;
    try {
      engine?.cancel(attempt.requestId, attempt.attempt);
    } catch {
      // The process is going: its end ends the attempt.
    }
    setTimeout(running.end, CANCEL_PATIENCE_MS).unref();
  }

  /** The engine is gone: all that ran on it can be tried elsewhere. */
  failAll(message: string): void {
    for (const running of [...this.#running.values()]) {
      if (!running.cancelled) this.#write(failure(running.attempt, 'ENGINE_EXITED', message, true));
      running.end();
    }
  }

  async allOver(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ over }) => over));
  }

  #forgetCancelled(key: string): boolean {
    const now = performance.now();
    for (const [old, at] of this.#cancelled) {
      if (now - at > CANCEL_MEMORY_MS) this.#cancelled.delete(old);
    }
    return this.#cancelled.delete(key);
  }
}

function failure(
  { requestId, attempt }: AttemptKey,
  code: string,
  message: string,
  retry: boolean,
): AttemptEvent {
  return { type: 'fail', requestId, attempt, code, message, retry };
}
