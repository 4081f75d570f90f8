/** What a page and the worker that reads a tensor say to each other. */
import type { Stored } from '@blyan/model/formats/layout';

/** Part of a tensor as [N, K]; ends are exclusive. */
export interface View {
  rows: [from: number, to: number];
  columns: [from: number, to: number];
}

export interface TensorRequest {
  base: string;
  root: string;
  byteLength: number;
  tensor: Stored;
  view: View;
  /** Most cells of the heatmap along N and K. */
  grid: [rows: number, columns: number];
  /** Stored bytes to be read at most: above, runs of rows are read that are spread evenly. */
  maxBytes: number;
}

export interface Statistics {
  count: number;
  min: number;
  max: number;
  mean: number;
  deviation: number;
  zeros: number;
  /** Weights of equal ranges from `from` to `to`. */
  bins: number[];
  from: number;
  to: number;
}

export interface Heatmap {
  rows: number;
  columns: number;
  /** Row-major. NaN where nothing was read. */
  values: Float32Array;
  /** `value`: each cell is one weight; `magnitude`: the root of the mean square of many. */
  kind: 'value' | 'magnitude';
}

export type TensorReply =
  | { kind: 'progress'; done: number; total: number }
  | {
      kind: 'view';
      view: View;
      statistics: Statistics;
      heatmap: Heatmap;
      /** Rows that were read of those asked for. */
      rowsRead: number;
      bytes: number;
      ms: number;
    }
  | { kind: 'failed'; message: string };
