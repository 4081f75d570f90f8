/** Statistics of weights in one pass, in memory that does not grow with them. */
import type { Heatmap, Statistics, View } from './messages.ts';

/** So fine that folding it to SHOWN bars loses nothing that an eye sees. */
const BINS = 4096;
const SHOWN = 64;

/** Bins over [-limit, limit]; the limit doubles, by a power of two, when a weight is outside. */
class Bins {
  limit = 2 ** -24;
  counts = new Float64Array(BINS);

  add(value: number): void {
    const magnitude = Math.abs(value);
    while (magnitude > this.limit) this.#widen();
    const at = Math.floor(((value + this.limit) / (2 * this.limit)) * BINS);
    this.counts[Math.min(BINS - 1, at)]! += 1;
  }

  #widen(): void {
    const wider = new Float64Array(BINS);
    for (let i = 0; i < BINS; i++) wider[BINS / 4 + (i >> 1)]! += this.counts[i]!;
    this.counts = wider;
    this.limit *= 2;
  }

  /** From the first to the last bin that is not empty, in SHOWN bars. */
  shown(): Pick<Statistics, 'bins' | 'from' | 'to'> {
    const first = this.counts.findIndex((count) => count > 0);
    const last = this.counts.findLastIndex((count) => count > 0);
    if (first < 0) return { bins: [], from: 0, to: 0 };
    const width = Math.ceil((last - first + 1) / SHOWN);
    const bins: number[] = [];
    for (let i = first; i <= last; i += width) {
      let sum = 0;
      for (let k = i; k < i + width && k < BINS; k++) sum += this.counts[k]!;
      bins.push(sum);
    }
    const edge = (bin: number) => (bin / BINS) * 2 * this.limit - this.limit;
    return { bins, from: edge(first), to: edge(first + bins.length * width) };
  }
}

export class Collector {
  readonly #view: View;
  readonly #grid: [number, number];
  readonly #bins = new Bins();
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;
  readonly #single: boolean;
  #count = 0;
  #sum = 0;
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #zeros = 0;

  /** @param grid most cells along N and K */
  constructor(view: View, grid: readonly [number, number]) {
    this.#view = view;
    const sizes = [view.rows[1] - view.rows[0], view.columns[1] - view.columns[0]] as const;
    this.#grid = [Math.min(grid[0], sizes[0]), Math.min(grid[1], sizes[1])];
    this.#single = this.#grid[0] === sizes[0] && this.#grid[1] === sizes[1];
    this.#sums = new Float64Array(this.#grid[0] * this.#grid[1]);
    this.#counts = new Float64Array(this.#sums.length);
  }

  /** @param values one whole row of the tensor, of which the view's columns are taken */
  add(row: number, values: Float32Array): void {
    const { rows, columns } = this.#view;
    const [height, width] = this.#grid;
    const y = Math.floor(((row - rows[0]) * height) / (rows[1] - rows[0]));
    const span = columns[1] - columns[0];
    for (let column = columns[0]; column < columns[1]; column++) {
      const value = values[column]!;
      this.#count += 1;
      this.#sum += value;
      this.#squares += value * value;
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
      if (value === 0) this.#zeros += 1;
      this.#bins.add(value);
      const cell = y * width + Math.floor(((column - columns[0]) * width) / span);
      this.#sums[cell]! += this.#single ? value : value * value;
      this.#counts[cell]! += 1;
    }
  }

  statistics(): Statistics {
    const mean = this.#sum / this.#count;
    const variance = Math.max(0, this.#squares / this.#count - mean * mean);
    return {
      count: this.#count,
      min: this.#min,
      max: this.#max,
      mean,
      deviation: Math.sqrt(variance),
      zeros: this.#zeros,
      ...this.#bins.shown(),
    };
  }

  heatmap(): Heatmap {
    const values = Float32Array.from(this.#sums, (sum, i) => {
      const mean = sum / this.#counts[i]!;
      return this.#single ? mean : Math.sqrt(mean);
    });
    const [rows, columns] = this.#grid;
    return { rows, columns, values, kind: this.#single ? 'value' : 'magnitude' };
  }
}
