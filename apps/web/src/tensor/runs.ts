/** Which rows are read, and in what pieces. */

/** Stored bytes of one request, about. */
const PIECE_BYTES = 2 ** 20;
/** Runs of a sample: enough to see every region of a matrix. */
const SAMPLE_RUNS = 64;

export type Run = [from: number, to: number];

/**
 * All rows in pieces when they fit `maxBytes`; else SAMPLE_RUNS runs of rows, spread evenly.
 * @param rowBytes stored bytes of a row, about
 */
export function rowRuns([from, to]: Run, rowBytes: number, maxBytes: number): Run[] {
  const rows = to - from;
  const runs: Run[] = [];
  if (rows * rowBytes <= maxBytes) {
    const step = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
    for (let at = from; at < to; at += step) runs.push([at, Math.min(to, at + step)]);
    return runs;
  }
  const count = Math.min(SAMPLE_RUNS, rows);
  const length = Math.max(1, Math.floor(maxBytes / rowBytes / count));
  for (let i = 0; i < count; i++) {
    const start = from + Math.floor((i * rows) / count);
    runs.push([start, Math.min(to, start + length)]);
  }
  return runs;
}
