/** Progress of long work as one line: rate and time left. A terminal's line is redrawn, a log gets a new one now and then. */

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const REDRAW_MS = 100;
const LOG_MS = 3000;
/** The rate is that of the last seconds, not of the whole run: it answers "is it moving". */
const WINDOW_MS = 10_000;

export class ProgressLine {
  readonly #out: Output;
  readonly #now: () => number;
  #samples: { at: number; bytes: number }[] = [];
  #label = '';
  #shown = -Infinity;

  constructor(out: Output, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
  }

  /** @param item what is being worked on, shown last and cut to fit */
  update(label: string, item: string, done: number, total: number): void {
    const at = this.#now();
    if (label !== this.#label) {
      this.#label = label;
      this.#samples = [];
      this.#shown = -Infinity;
    }
    const last = this.#samples.at(-1);
    // A few samples a second are enough, however often this is called.
    if (!last || at - last.at >= REDRAW_MS) this.#samples.push({ at, bytes: done });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > WINDOW_MS) this.#samples.shift();
    if (at - this.#shown < (this.#out.isTTY ? REDRAW_MS : LOG_MS) && done < total) return;
    this.#shown = at;
    this.#show(describe(label, item, done, total, this.#rate(at, done)));
  }

  /** Ends the line and writes one that stays. */
  done(text: string): void {
    this.#out.write(this.#out.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`);
  }

  #rate(at: number, done: number): number | null {
    const first = this.#samples[0];
    return first && at - first.at >= 500 ? ((done - first.bytes) / (at - first.at)) * 1000 : null;
  }

  #show(text: string): void {
    if (!this.#out.isTTY) this.#out.write(`${text}\n`);
    else this.#out.write(`\r\x1b[K${text.slice(0, (this.#out.columns ?? 80) - 1)}`);
  }
}

function describe(label: string, item: string, done: number, total: number, rate: number | null) {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const parts = [`${label} ${String(percent).padStart(3)} %`, `${mib(done)} of ${mib(total)} MiB`];
  if (rate !== null && rate > 0) {
    parts.push(`${mib(rate)} MiB/s`);
    if (done < total) parts.push(`${duration((total - done) / rate)} left`);
  }
  return [...parts, item].join('  ');
}

const mib = (bytes: number) => {
  const value = bytes / 2 ** 20;
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
};

export function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${s % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
