/** Parts of stored tensors, and recipes run again: what a page does with the engine's own formats. */
import { rootOfBytes } from '@blyan/chain/merkle';
import type { StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTensor, rowDecoder } from '../src/formats/decode.ts';
import { encodeTensor, rowEncoder } from '../src/formats/encode.ts';
import { FORMATS, recipeFor, storedLength } from '../src/formats/layout.ts';
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
function recorded(
  format: StoredFormat,
  shape: number[],
  { recipe } = { recipe: recipeFor('f32', format) },
) {
  const [rows, columns] = [shape[0] ?? 1, shape[1] ?? 1];
  const raw = source(rows, columns);
  const block = /-sym-(\d+)$/.exec(recipe.name)?.[1];
  const size = block === undefined ? undefined : Number(block);
  const encoder = rowEncoder({ name: 't', shape, dtype: 'f32' }, format, rows, size);
  const bytes = Buffer.concat([encoder.push(raw).slice(), encoder.finish()]);
  const file = new Uint8Array(100 + raw.length);
  file.set(raw, 100);
  const tensor: TensorDescriptor = {
    ...stored(format, shape),
    recipe,
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

const recipe = (name: string, version = 1) => ({ recipe: { name, version } });

test.each([
  ['q4', recipe('q4-sym-16')],
  ['q4', recipe('q4-sym-128', 2)],
  ['bf16', recipe('chop-bf16')],
] as const)(
  'a recipe of %s that is not known is named, and the raw bytes are compared all the same',
  async (format, other) => {
    const { file, tensor } = recorded(format, [4, 256]);
    const result = await runAgain({ ...tensor, ...other }, async (a, b) => file.slice(a, b));
    const { name, version } = other.recipe;
    expect(result).toMatchObject({
      ok: true,
      stored: null,
      refused: null,
      reason: expect.stringContaining(`${name} ${version}`),
    });
  },
);

test.each(['q8', 'q4'] as const)(
  'older recipes of %s are run with blocks of their own',
  async (format) => {
    for (const block of [32, 64, 128]) {
      const { file, tensor } = recorded(format, [6, 200], recipe(`${format}-sym-${block}`));
      expect(tensor.byteLength).toBe(storedLength(tensor));
      const result = await runAgain(tensor, async (a, b) => file.slice(a, b));
      expect(result).toMatchObject({
        ok: true,
        reason: null,
        stored: { actual: expect.any(String) },
      });
    }
  },
);

test.each(FORMATS)('weights that no import takes are refused, in %s', async (format) => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { file, tensor } = recorded(format, [1500, 770]);
    new DataView(file.buffer).setFloat32(100 + 4_300_000, value, true);
    let seen = 0;
    const onBytes = (bytes: Uint8Array) => {
      seen += bytes.length;
    };
    const result = await runAgain(tensor, async (a, b) => file.slice(a, b), { onBytes });
    expect(result).toMatchObject({
      ok: false,
      stored: null,
      reason: null,
      refused: expect.stringContaining('t holds NaN or an infinity'),
    });
    // The file as a whole is hashed all the same.
    expect(seen).toBe(tensor.source.length);
    expect(result.source.actual).not.toBe(result.source.expected);
  }
});

test('a value that the format has no room for is refused', async () => {
  const { file, tensor } = recorded('f16', [4, 8]);
  new DataView(file.buffer).setFloat32(100, 1e6, true);
  const result = await runAgain(tensor, async (a, b) => file.slice(a, b));
  expect(result).toMatchObject({
    ok: false,
    refused: expect.stringContaining('too large for f16'),
  });
});
