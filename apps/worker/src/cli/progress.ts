/** The way from a start to a serving worker, one line for each step, with rate and time left. */
import type { NodeStatus } from '@blyan/protocol/node';

const MIB = 2 ** 20;
/** A line of a step that goes on is written this often. */
const EVERY_MS = 1000;

const STEPS = {
  sync: 'reading the chains',
  fetch: 'fetching weights',
  verify: 'verifying weights',
  build: 'building the model',
} as const;

export class ProgressLines {
  readonly #write: (line: string) => void;
  #step = '';
  /** Where this step began: not at 0 when it goes on with what was here. */
  #from = 0;
  #began = 0;
  #written = Number.NEGATIVE_INFINITY;
  #done = false;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** @param now monotonic ms */
  see(status: NodeStatus, now = performance.now()): void {
    const { state, progress } = status;
    if (state === 'loading' && progress) {
      this.#progress(progress, now);
      return;
    }
    if (state === this.#step) return;
    this.#step = state;
    if (state === 'ready') {
      const [first, last] = status.layers ?? [0, 0];
      const what = `layers ${first} to ${last}, ${status.slots} answers at a time`;
      this.#write(`ready: ${what}, on ${status.numerics?.provider ?? 'an unknown device'}`);
    } else if (state === 'failed') {
      const { code, message } = status.failure ?? { code: 'unknown', message: 'no reason' };
      this.#write(`cannot serve (${code}): ${message}`);
    } else if (state === 'draining') this.#write('draining: what runs is finished');
    else if (state === 'idle') this.#write('joined: waiting for layers to run');
  }

  #progress({ phase, done, total, unit }: NonNullable<NodeStatus['progress']>, now: number): void {
    if (phase !== this.#step) {
      this.#step = phase;
      this.#from = done;
      this.#began = now;
      this.#done = false;
      this.#written = Number.NEGATIVE_INFINITY;
      const kept = phase === 'fetch' && done > 0 ? ', going on with what is here' : '';
      this.#write(`${STEPS[phase]}${kept}`);
    }
    const complete = total > 0 && done >= total;
    if (this.#done || (!complete && now - this.#written < EVERY_MS)) return;
    this.#done = complete;
    this.#written = now;
    const percent = total > 0 ? `${Math.floor((100 * done) / total)}%` : '';
    this.#write(
      `  ${percent.padStart(4)}  ${amount(done, total, unit)}${this.#rate(done, total, unit, now)}`,
    );
  }

  #rate(done: number, total: number, unit: string, now: number): string {
    const seconds = (now - this.#began) / 1000;
    const rate = (done - this.#from) / seconds;
    if (unit !== 'bytes' || seconds < 1 || rate <= 0) return '';
    const left = Math.ceil((total - done) / rate);
    return `, ${(rate / MIB).toFixed(1)} MiB/s${left > 0 ? `, ${duration(left)} left` : ''}`;
  }
}

function amount(done: number, total: number, unit: string): string {
  if (unit !== 'bytes') return `${done} of ${total} ${unit}`;
  return `${(done / MIB).toFixed(1)} of ${(total / MIB).toFixed(1)} MiB`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
