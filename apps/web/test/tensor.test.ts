/** What a page computes of a tensor: statistics in one pass, which rows are read, where a zoom leads. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pan, zoom } from '../src/components/tensor/zoom.ts';
import { rowRuns } from '../src/tensor/runs.ts';
import { Collector } from '../src/tensor/statistics.ts';

function collect(matrix: number[][], grid: [number, number]) {
  const columns = matrix[0]!.length;
  const view = { rows: [0, matrix.length], columns: [0, columns] } as {
    rows: [number, number];
    columns: [number, number];
  };
  const collector = new Collector(view, grid);
  matrix.forEach((row, i) => {
    collector.add(i, Float32Array.from(row));
  });
  return collector;
}

test('statistics are those of all weights, whatever their sizes', () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
  const matrix = fc
    .integer({ min: 1, max: 8 })
    .chain((width) =>
      fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1 }),
    );
  fc.assert(
    fc.property(matrix, (rows) => {
      const statistics = collect(rows, [4, 4]).statistics();
      // A zero has no sign here.
      const all = rows.flat().map((x) => x + 0);
      const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
      expect(statistics.count).toBe(all.length);
      expect(statistics.min + 0).toBe(Math.min(...all));
      expect(statistics.max + 0).toBe(Math.max(...all));
      expect(Math.abs(statistics.mean - mean)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(mean)));
      expect(statistics.bins.reduce((sum, n) => sum + n, 0)).toBe(all.length);
      expect(statistics.bins.length).toBeLessThanOrEqual(64);
      // Weights far below a bin's width fall on its edge.
      expect(statistics.from).toBeLessThanOrEqual(statistics.min + 1e-9);
      expect(statistics.to).toBeGreaterThanOrEqual(statistics.max - 1e-9);
    }),
    { numRuns: 50 },
  );
});

test('a cell is the weight itself, or the root mean square of many', () => {
  expect(collect([[-3, 4]], [8, 8]).heatmap()).toMatchObject({
    kind: 'value',
    rows: 1,
    columns: 2,
  });
  expect([...collect([[-3, 4]], [8, 8]).heatmap().values]).toEqual([-3, 4]);
  const coarse = collect(
    [
      [3, -3, 1, 1],
      [3, -3, 1, 1],
    ],
    [1, 2],
  ).heatmap();
  expect(coarse.kind).toBe('magnitude');
  expect([...coarse.values]).toEqual([3, 1]);
});

test('small tensors are read whole, in pieces; of large ones runs that are spread evenly', () => {
  expect(rowRuns([0, 10], 2 ** 19, 2 ** 30)).toEqual([
    [0, 2],
    [2, 4],
    [4, 6],
    [6, 8],
    [8, 10],
  ]);
  const runs = rowRuns([0, 150_000], 2048, 2 ** 23);
  expect(runs).toHaveLength(64);
  const rows = runs.reduce((sum, [from, to]) => sum + to - from, 0);
  expect(rows * 2048).toBeLessThanOrEqual(2 ** 23);
  expect(runs.at(-1)![0]).toBeGreaterThan(145_000);
});

test('a view never leaves the matrix', () => {
  const whole = { rows: [0, 1000], columns: [0, 5] } as {
    rows: [number, number];
    columns: [number, number];
  };
  const move = fc.record({
    factor: fc.constantFrom(0.25, 0.5, 2),
    x: fc.double({ min: 0, max: 1, noNaN: true }),
    y: fc.double({ min: 0, max: 1, noNaN: true }),
    down: fc.double({ min: -1, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(move), (moves) => {
      let view = whole;
      for (const { factor, x, y, down } of moves) {
        view = pan(zoom(view, whole, factor, { x, y }), whole, down, -down);
        for (const [[from, to], size] of [
          [view.rows, 1000],
          [view.columns, 5],
        ] as const) {
          expect(from).toBeGreaterThanOrEqual(0);
          expect(to).toBeLessThanOrEqual(size);
          expect(to - from).toBeGreaterThanOrEqual(Math.min(8, size));
        }
      }
    }),
    { numRuns: 50 },
  );
});
