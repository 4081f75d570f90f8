/** Quantized formats against the vectors of an independent script, and what holds for any weights. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTensor } from '../src/formats/decode.ts';
import { encodeTensor, rowEncoder } from '../src/formats/encode.ts';
import { E4M3, f32ToE4m3 } from '../src/formats/fp8.ts';
import { byteLength, recipeFor, type Stored, storedRunLayout } from '../src/formats/layout.ts';
import { NF4, nf4Code } from '../src/formats/nf4.ts';
import { transcode } from '../src/formats/transcode.ts';

const QUANTIZED = ['q8', 'q4', 'nf4', 'fp8'] as const;
type Quantized = (typeof QUANTIZED)[number];

interface Encoded {
  hex: string;
  decoded: number[][];
  /** What it is transcoded to, nf4 and fp8 only. */
  q8?: { hex: string };
}
type Older = Encoded & { comment: string; shape: [number, number] };
type Vectors = {
  /** Null where the format can't hold the values. */
  cases: ({ comment: string; shape: [number, number]; values: number[][] } & Record<
    Quantized,
    Encoded | null
  >)[];
  /** As q4 was stored before. */
  'q4-sym-32': Older[];
  'q4-sym-64': Older[];
  generated: ({ comment: string; shape: [number, number]; seed: number } & Record<
    Quantized,
    { stored: string; decoded: string; q8?: string }
  >)[];
};

const fixture = (path: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/${path}`, import.meta.url), 'utf8'));
const vectors: Vectors = fixture('quantize.json');
const published = fixture('micro/formats.json');

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (values: ArrayLike<number>) => new Uint8Array(Float32Array.from(values).buffer);
/** -0 is 0: a code of zero under a negative scale. */
const plain = (values: Iterable<number>) => [...values].map((x) => x + 0);

const asStored = (
  format: Quantized,
  shape: number[],
  recipe = recipeFor('f32', format),
): Stored => ({ name: 't', format, shape, recipe });

function encode(format: Quantized, shape: number[], values: ArrayLike<number>) {
  const stored = encodeTensor({ name: 't', shape, dtype: 'f32' }, format, bytesOf(values));
  const decoded = decodeTensor(asStored(format, shape), stored);
  return { stored, decoded };
}

function transcoded(format: 'nf4' | 'fp8', shape: number[], stored: Uint8Array) {
  const { data, scales, blocks } = transcode(asStored(format, shape), stored);
  expect([data.length, scales.length]).toEqual([shape[0]! * blocks * 32, shape[0]! * blocks]);
  const values = new Float32Array(shape[0]! * shape[1]!).map((_, i) => {
    const [row, column] = [Math.floor(i / shape[1]!), i % shape[1]!];
    const block = row * blocks + (column >> 5);
    return (data[block * 32 + (column & 31)]! - 128) * scales[block]!;
  });
  return { bytes: Buffer.concat([data, new Uint8Array(scales.buffer)]), values };
}

describe.each(QUANTIZED)('%s equals the vectors of an independent script', (format) => {
  test.each(vectors.cases.map((c) => [c.comment, c] as const))('%s', (_, c) => {
    const expected = c[format];
    const values = c.values.flat();
    if (expected === null) {
      expect(() => encode(format, c.shape, values)).toThrow(/too large/);
      return;
    }
    const { stored, decoded } = encode(format, c.shape, values);
    expect(hex(stored)).toBe(expected.hex);
    expect(stored.byteLength).toBe(byteLength(format, c.shape));
    expect(plain(decoded)).toEqual(plain(expected.decoded.flat()));
    if (format === 'nf4' || format === 'fp8') {
      expect(hex(transcoded(format, c.shape, stored).bytes)).toBe(expected.q8!.hex);
    }
  });

  test.each(vectors.generated.map((c) => [c.comment, c] as const))('%s', (_, c) => {
    let state = c.seed;
    const values = Float32Array.from({ length: c.shape[0] * c.shape[1] }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return ((state >>> 8) - 2 ** 23) * 2 ** (-23 - (state % 8));
    });
    const { stored, decoded } = encode(format, c.shape, values);
    expect(hash(stored)).toBe(c[format].stored);
    if (format === 'q8' || format === 'q4') return;
    expect(hash(new Uint8Array(decoded.buffer))).toBe(c[format].decoded);
    expect(hash(transcoded(format, c.shape, stored).bytes)).toBe(c[format].q8);
  });
});

describe('the block of a stored tensor is what its recipe says', () => {
  const older = (['q4-sym-32', 'q4-sym-64'] as const).flatMap((name) =>
    vectors[name].map((c) => [name, c.comment, c] as const),
  );
  test.each(older)('%s: %s', (name, _, { shape, hex: stored, decoded }) => {
    const tensor = asStored('q4', shape, { name, version: 1 });
    const bytes = Buffer.from(stored, 'hex');
    expect(plain(decodeTensor(tensor, bytes))).toEqual(plain(decoded.flat()));
  });

  test.each([
    ['q8', 'q8-sym-32', 32, 32],
    ['q8', 'q8-sym-64', 64, 64],
    ['q8', 'q8-sym-128', 128, 128],
    ['q4', 'q4-sym-32', 32, 16],
    ['q4', 'q4-sym-64', 64, 32],
    ['q4', 'q4-sym-128', 128, 64],
    ['nf4', 'nf4-absmax-64', 64, 32],
  ] as const)('%s by %s', (format, name, block, blockBytes) => {
    const blocks = Math.ceil(300 / block);
    const layout = storedRunLayout(asStored(format, [3, 300], { name, version: 1 }));
    expect(layout).toMatchObject({ rows: 3, columns: 300, block, blocks, blockBytes });
    expect(layout.dataBytes).toBe(3 * blocks * blockBytes);
    expect(layout.scaleBytes).toBe(3 * blocks * 2);
  });

  test.each([
    ['q4', 'q4-sym-16', 1],
    ['q4', 'q4-sym-256', 1],
    ['q4', 'q4-sym', 1],
    ['q4', 'q4-sym-064', 1],
    ['q4', 'q4-sym-64 ', 1],
    ['q4', 'q8-sym-64', 1],
    ['q4', 'nf4-absmax-64', 1],
    ['q4', 'raw', 1],
    ['q4', 'q4-sym-64', 2],
    ['q8', 'q4-sym-32', 1],
    ['nf4', 'nf4-absmax-32', 1],
    ['fp8', 'fp8-absmax-128', 1],
  ] as const)('%s by %s, version %d, is refused', (format, name, version) => {
    const tensor = asStored(format, [3, 300], { name, version });
    expect(() => storedRunLayout(tensor)).toThrow(
      expect.objectContaining({
        code: 'FORMAT_UNSUPPORTED',
        details: { tensor: 't', format, recipe: { name, version } },
      }),
    );
    if (format === 'fp8') return;
    expect(() => decodeTensor(tensor, new Uint8Array(1))).toThrow(new RegExp(`^t is .*${name}`));
  });

  test('bytes of another block than the recipe says are refused', () => {
    const { stored } = encode('q4', [2, 96], new Float32Array(192).fill(1));
    const tensor = asStored('q4', [2, 96], { name: 'q4-sym-32', version: 1 });
    expect(() => decodeTensor(tensor, stored)).toThrow(
      expect.objectContaining({ code: 'LENGTH_MISMATCH' }),
    );
  });
});

describe('E4M3', () => {
  test('decodes as published', () => {
    const table: (number | null)[] = published.e4m3fn_decode;
    expect([...E4M3].map((x) => (Number.isNaN(x) ? null : x))).toEqual(table);
  });

  const cell = new Float32Array(1);
  const bits = new Int32Array(cell.buffer);
  const round = (x: number) => {
    cell[0] = x;
    return f32ToE4m3(bits[0]!);
  };
  test('rounds as published', () => {
    const pairs: [number, number][] = published.f32_to_e4m3fn;
    expect(pairs.map(([x]) => round(x))).toEqual(pairs.map(([, code]) => code));
  });

  test('between two neighbours the nearest wins, and the even one at the middle', () => {
    const near = (x: number, by: number) => {
      cell[0] = x;
      bits[0]! += by;
      return cell[0]!;
    };
    for (let code = 0; code < 0x7e; code++) {
      const middle = (E4M3[code]! + E4M3[code + 1]!) / 2;
      expect(round(E4M3[code]!)).toBe(code);
      expect(round(middle)).toBe(code & 1 ? code + 1 : code);
      expect(round(near(middle, -1))).toBe(code);
      expect(round(near(middle, 1))).toBe(code + 1);
      expect(round(-middle)).toBe((code & 1 ? code + 1 : code) | 0x80);
    }
    expect([448, 460, 464, 500, 1e30, -1e30].map(round)).toEqual([
      0x7e, 0x7e, 0x7e, 0x7e, 0x7e, 0xfe,
    ]);
  });

  test('the published example: codes times the scale of their block', () => {
    const { shape, weight_scale_inv: lines, ...example } = published.fp8_block128_example;
    const [rows, columns] = shape as [number, number];
    const codes = new Uint8Array(rows * columns);
    codes.set(example.first_row_fp8);
    codes.set(example.last_row_fp8, (rows - 1) * columns);
    const scales = Float32Array.from(lines.flat());
    const source = { name: 't', shape, dtype: 'fp8' as const, scales };
    const kept = encodeTensor(source, 'fp8', codes);
    expect(hash(kept)).toBe(hash(Buffer.concat([codes, new Uint8Array(scales.buffer)])));
    expect(recipeFor('fp8', 'fp8')).toEqual({ name: 'raw-fp8', version: 1 });
    const decoded = decodeTensor(asStored('fp8', shape), kept);
    const first = decoded.subarray(0, columns);
    const last = decoded.subarray((rows - 1) * columns);
    for (const [row, expected] of [
      [first, example.first_row_dequant],
      [last, example.last_row_dequant],
    ]) {
      row.forEach((x: number, i: number) => {
        expect(Math.abs(x - expected[i])).toBeLessThan(1e-6);
      });
    }
    // Any other format is made from these values.
    const wide = encodeTensor(source, 'f32', codes);
    expect(hash(wide)).toBe(hash(new Uint8Array(decoded.buffer)));
    for (const format of ['q8', 'nf4', 'bf16'] as const) {
      const throughF32 = encodeTensor({ name: 't', shape, dtype: 'f32' }, format, wide);
      expect(hash(encodeTensor(source, format, codes))).toBe(hash(throughF32));
    }
  });

  test('NaN among codes or scales, and scales that overflow, are refused', () => {
    const tensor = { name: 't', shape: [2, 3], dtype: 'fp8' as const };
    const keep = (code: number, scale: number) => () =>
      encodeTensor(
        { ...tensor, scales: Float32Array.of(scale) },
        'fp8',
        Uint8Array.of(0, 1, 2, 3, 4, code),
      );
    expect(keep(0x7e, 1)).not.toThrow();
    expect(keep(0x7f, 1)).toThrow(expect.objectContaining({ code: 'VALUE_NOT_FINITE' }));
    expect(keep(0xff, 1)).toThrow(expect.objectContaining({ code: 'VALUE_NOT_FINITE' }));
    expect(keep(1, Number.NaN)).toThrow(expect.objectContaining({ code: 'VALUE_NOT_FINITE' }));
    expect(keep(1, 1e36)).toThrow(expect.objectContaining({ code: 'VALUE_OUT_OF_RANGE' }));
    const none = () => encodeTensor(tensor, 'fp8', new Uint8Array(6));
    expect(none).toThrow(RangeError);
  });

  test('is encoded in whole bands of 128 rows', () => {
    const shape = [300, 5];
    const values = Float32Array.from({ length: 1500 }, (_, i) => Math.sin(i * i));
    const { stored } = encode('fp8', shape, values);
    const encoder = rowEncoder({ name: 't', shape, dtype: 'f32' }, 'fp8', 128);
    const parts: Uint8Array[] = [];
    for (let row = 0; row < 300; row += 128) {
      parts.push(encoder.push(bytesOf(values.subarray(row * 5, (row + 128) * 5))).slice());
    }
    parts.push(encoder.finish());
    expect(hex(Buffer.concat(parts))).toBe(hex(stored));
    const wrong = rowEncoder({ name: 't', shape, dtype: 'f32' }, 'fp8', 128);
    expect(() => wrong.push(bytesOf(values.subarray(0, 500)))).toThrow(RangeError);
  });
});

test('nf4 takes the nearest value, and the lower one at the middle', () => {
  const nearest = (x: number) => {
    let best = 0;
    NF4.forEach((value, code) => {
      if (Math.abs(x - value) < Math.abs(x - NF4[best]!)) best = code;
    });
    return best;
  };
  for (let i = -11_000; i <= 11_000; i++) expect(nf4Code(i / 10_000)).toBe(nearest(i / 10_000));
  for (let code = 0; code < 15; code++) {
    const middle = (NF4[code]! + NF4[code + 1]!) / 2;
    expect([nf4Code(middle), nf4Code(middle + 2 ** -50)]).toEqual([code, code + 1]);
  }
});

/** Matrices of sizes that fill no block, and values that binary16 scales can hold. */
const matrices = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }))
  .chain(([rows, columns]) =>
    fc
      .array(fc.float({ min: -100, max: 100, noNaN: true }), {
        minLength: rows * columns,
        maxLength: rows * columns,
      })
      .map((values) => ({ shape: [rows, columns], values: Float32Array.from(values) })),
  );

const magnitude = (values: Iterable<number>) => Math.max(0, ...[...values].map(Math.abs));

/** Calls `check` with the parts of two arrays that share a block of `size` along K. */
function runs(
  shape: number[],
  size: number,
  before: Float32Array,
  after: Float32Array,
  check: (before: Float32Array, after: Float32Array) => void,
) {
  const [rows, columns] = shape as [number, number];
  for (let row = 0; row < rows; row++) {
    for (let from = row * columns; from < (row + 1) * columns; from += size) {
      const to = Math.min(from + size, (row + 1) * columns);
      check(before.subarray(from, to), after.subarray(from, to));
    }
  }
}

const STEPS = {
  // The code above the top is missing: a whole step there instead of a half.
  q8: { size: 32, bound: (m: number) => m / 127 + 2 ** -17 },
  q4: { size: 128, bound: (m: number) => m / 7 + 2 ** -17 },
  // The widest gap of the codebook, between -1 and -0.696, and the rounded scale.
  nf4: { size: 64, bound: (m: number) => (m * (1 - 0.696)) / 2 + m * 2 ** -10 + 2 ** -24 },
} as const;

describe('any weights', () => {
  test.each(['q8', 'q4', 'nf4'] as const)('%s moves a weight by at most a step', (format) => {
    const { size, bound } = STEPS[format];
    fc.assert(
      fc.property(matrices, ({ shape, values }) => {
        const { decoded } = encode(format, shape, values);
        runs(shape, size, values, decoded, (before, after) => {
          const most = bound(magnitude(before));
          before.forEach((x, i) => {
            if (Math.abs(x - after[i]!) > most) expect.fail(`${x} became ${after[i]}`);
          });
        });
      }),
    );
  });

  test('fp8 moves a weight by at most a 16th of it, or half of the smallest step', () => {
    fc.assert(
      fc.property(matrices, ({ shape, values }) => {
        const { decoded } = encode('fp8', shape, values);
        const smallest = (magnitude(values) / 448) * 2 ** -10 + 2 ** -140;
        values.forEach((x, i) => {
          const most = Math.max(Math.abs(x) / 16, smallest) * (1 + 1e-6);
          if (Math.abs(x - decoded[i]!) > most) expect.fail(`${x} became ${decoded[i]}`);
        });
      }),
    );
  });

  test.each(['q8', 'q4', 'nf4', 'fp8'] as const)(
    '%s: what was decoded is encoded to the same values',
    (format) => {
      fc.assert(
        fc.property(matrices, ({ shape, values }) => {
          // Below, a binary16 scale has few bits or none, and half of them don't come back.
          const large = values.map((x) => (Math.abs(x) < 0.1 ? 0 : x));
          const { decoded } = encode(format, shape, large);
          expect(plain(encode(format, shape, decoded).decoded)).toEqual(plain(decoded));
        }),
      );
    },
  );

  test.each(['nf4', 'fp8'] as const)('%s is transcoded to within half a step of 127', (format) => {
    fc.assert(
      fc.property(matrices, ({ shape, values }) => {
        const { stored, decoded } = encode(format, shape, values);
        const after = transcoded(format, shape, stored).values;
        runs(shape, 32, decoded, after, (before, found) => {
          const most = (magnitude(before) / 254) * (1 + 1e-5) + 2 ** -140;
          before.forEach((x, i) => {
            if (Math.abs(x - found[i]!) > most) expect.fail(`${x} became ${found[i]}`);
          });
        });
      }),
    );
  });
});
