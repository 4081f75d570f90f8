/** Parts of stored tensors, and recipes run again: what a page does with the engine's own formats. */
import { rootOfBytes } from '@blyan/chain/merkle';
import type { StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTensor, rowDecoder } from '../src/formats/decode.ts';
import { encodeTensor } from '../src/formats/encode.ts';
import { FORMATS, recipeFor } from '../src/formats/layout.ts';
import { rowRange } from '../src/formats/row-range.ts';
import { runAgain } from '../src/formats/run-again.ts';

/** Values that every format can hold. */
function source(rows: number, columns: number): Uint8Array {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) * 3);
  return new Uint8Array(values.buffer);
}
function join(bytes: Uint8Array, ranges: { start: number; end: number }[]): Uint8Array {
  return new Uint8Array(Buffer.concat(ranges.map(({ start, end }) => bytes.subarray(start, end))));
}
const stored = (format: StoredFormat, shape: number[]) => ({
  name: 't',
  format,
  shape,
  recipe: recipeFor('f32', format),
});

test.each(FORMATS)('rows of %s out of their ranges are those of the whole tensor', (format) => {
  const run = fc.property(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 150 }),
    fc.nat(),
    fc.nat(),
    (rows, columns, a, b) => {
      const shape = [rows, columns];
      const bytes = encodeTensor({ name: 't', shape, dtype: 'f32' }, format, source(rows, columns));
      const from = a % rows;
      const to = from + 1 + (b % (rows - from));
      const whole = decodeTensor(stored(format, shape), bytes);
      const part = rowRange(stored(format, shape), from, to);
      const decode = rowDecoder(part.tensor, join(bytes, part.ranges));
      const row = new Float32Array(columns);
      for (let i = from; i < to; i++) {
        decode(part.skip + i - from, row);
        const expected = whole.subarray(i * columns, (i + 1) * columns);
        if (row.some((value, k) => !Object.is(value, expected[k]))) return false;
      }
      return true;
    },
  );
  fc.assert(run, { numRuns: 12 });
});

test('rows outside of the tensor are refused', () => {
  for (const [from, to] of [
    [-1, 1],
    [2, 2],
    [0, 4],
    [0.5, 1],
  ] as const) {
    expect(() => rowRange(stored('f32', [3, 2]), from, to)).toThrow(RangeError);
  }
});

/** A tensor at byte 100 of a file of zeros, with the descriptor that an import would have written. */
function recorded(format: StoredFormat, shape: number[]) {
  const [rows, columns] = [shape[0] ?? 1, shape[1] ?? 1];
  const raw = source(rows, columns);
  const bytes = encodeTensor({ name: 't', shape, dtype: 'f32' }, format, raw);
  const file = new Uint8Array(100 + raw.length);
  file.set(raw, 100);
  const tensor: TensorDescriptor = {
    ...stored(format, shape),
    role: 'r',
    dtype: 'f32',
    byteLength: bytes.length,
    leafSize: 2 ** 20,
    root: rootOfBytes(bytes),
    source: {
      file: new Uint8Array(32),
      offset: 100,
      length: raw.length,
      root: rootOfBytes(raw),
    },
  };
  return { file, tensor };
}

// 4.6 MB of source: two batches, and more than one leaf.
test.each(FORMATS)(
  'the recipe of %s, run again over the file, gives the recorded roots',
  async (format) => {
    const { file, tensor } = recorded(format, [1500, 770]);
    let seen = 0;
    const read = async (start: number, end: number) => file.slice(start, end);
    const onBytes = (bytes: Uint8Array) => {
      seen += bytes.length;
    };
    const result = await runAgain(tensor, read, { onBytes });
    expect(result).toMatchObject({ ok: true, reason: null });
    expect(seen).toBe(tensor.source.length);
    file[100 + 4_300_003]! ^= 0x40;
    const other = await runAgain(tensor, read);
    expect(other.ok).toBe(false);
    expect(other.source.actual).not.toBe(other.source.expected);
    expect(other.stored?.actual).not.toBe(other.stored?.expected);
  },
);

test('a recipe that is not run here is said, and the raw bytes are compared all the same', async () => {
  const { file, tensor } = recorded('q4', [4, 256]);
  const older = { ...tensor, recipe: { name: 'q4-sym-32', version: 1 } };
  const result = await runAgain(older, async (start, end) => file.slice(start, end));
  expect(result).toMatchObject({
    ok: true,
    stored: null,
    reason: expect.stringContaining('q4-sym-32'),
  });
});
