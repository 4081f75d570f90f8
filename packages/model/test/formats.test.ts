import { readFileSync } from 'node:fs';
import type { StoredFormat } from '@blyan/chain/types';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTensor, rowDecoder } from '../src/formats/decode.ts';
import { encodeTensor, rowEncoder } from '../src/formats/encode.ts';
import { f16ToF32Bits, f32ToBf16Bits, f32ToF16Bits } from '../src/formats/half.ts';
import { byteLength, FORMATS, recipeFor } from '../src/formats/layout.ts';

const fixture = (path: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/${path}`, import.meta.url), 'utf8'));

const bytesOf = (values: ArrayLike<number>) => new Uint8Array(Float32Array.from(values).buffer);
const code = (fn: () => unknown) => {
  try {
    fn();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return 'no error';
};

describe('half precision', () => {
  const vectors = fixture('micro/formats.json');
  test.each(['bf16', 'f16'] as const)('f32 to %s as the reference rounds it', (format) => {
    const narrow = format === 'bf16' ? f32ToBf16Bits : f32ToF16Bits;
    const pairs: [number, number][] = vectors[`f32_bits_to_${format}_bits`];
    expect(pairs.map(([bits]) => narrow(bits))).toEqual(pairs.map(([, half]) => half));
  });

  test('all binary16 survive the way to binary32 and back', () => {
    for (let half = 0; half < 0x10000; half++) {
      const isNan = (half & 0x7fff) > 0x7c00;
      const back = f32ToF16Bits(f16ToF32Bits(half));
      if (isNan ? (back & 0x7fff) <= 0x7c00 : back !== half)
        expect.fail(`binary16 ${half}: ${back}`);
    }
  });

  test('between two neighbours the nearest wins, and the even one at the middle', () => {
    const cell = new DataView(new ArrayBuffer(4));
    const bits = (x: number) => {
      cell.setFloat32(0, x);
      return cell.getInt32(0);
    };
    const value = (half: number) => {
      cell.setInt32(0, f16ToF32Bits(half));
      return cell.getFloat32(0);
    };
    for (let half = 0; half < 0x7bff; half++) {
      const low = value(half);
      const middle = (low + value(half + 1)) / 2;
      const even = half & 1 ? half + 1 : half;
      if (f32ToF16Bits(bits(middle)) !== even) expect.fail(`middle above ${half}`);
      if (f32ToF16Bits(bits(middle) - 1) !== half) expect.fail(`below the middle above ${half}`);
      if (f32ToF16Bits(bits(middle) + 1) !== half + 1)
        expect.fail(`above the middle above ${half}`);
    }
    expect(f32ToF16Bits(bits(65519.996))).toBe(0x7bff);
    expect(f32ToF16Bits(bits(65520))).toBe(0x7c00);
  });
});

describe('q8 and q4', () => {
  test('rows in batches of any size give the same bytes', () => {
    const shape = [13, 70];
    const source = bytesOf(Array.from({ length: 13 * 70 }, (_, i) => Math.sin(i * i)));
    const whole = encodeTensor({ name: 't', shape, dtype: 'f32' }, 'q4', source);
    for (const batch of [1, 4, 13]) {
      const encoder = rowEncoder({ name: 't', shape, dtype: 'f32' }, 'q4', batch);
      const parts: Uint8Array[] = [];
      for (let row = 0; row < 13; row += batch) {
        parts.push(encoder.push(source.subarray(row * 280, (row + batch) * 280)).slice());
      }
      parts.push(encoder.finish());
      expect(Buffer.concat(parts).equals(whole)).toBe(true);
    }
  });

  test('a weight moves by at most one scale', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 80 }),
        (values) => {
          const shape = [1, values.length];
          const f32 = Float32Array.from(values);
          const stored = encodeTensor({ name: 't', shape, dtype: 'f32' }, 'q8', bytesOf(f32));
          const decoded = decodeTensor(
            { name: 't', format: 'q8', shape, recipe: recipeFor('f32', 'q8') },
            stored,
          );
          for (let from = 0; from < f32.length; from += 32) {
            const block = f32.subarray(from, from + 32);
            const largest = Math.max(...block.map(Math.abs));
            // The code above the top is missing, and scales below 2^-24 are too.
            const bound = largest / 127 + 2 ** -17;
            block.forEach((x, i) => {
              if (Math.abs(x - decoded[from + i]!) > bound)
                expect.fail(`${x} ${decoded[from + i]}`);
            });
          }
        },
      ),
    );
  });
});

describe('float formats', () => {
  const values = [0, -0, 1, -2.5, 1e-8, 0.7, 65504, 1e-40];
  const tensor = { name: 't', shape: [2, 4], dtype: 'f32' as const };
  const as = (format: StoredFormat) => ({ ...tensor, format, recipe: recipeFor('f32', format) });

  test('the source type is kept byte for byte, at any address', () => {
    const odd = new Uint8Array(33);
    odd.set(bytesOf(values), 1);
    expect(encodeTensor(tensor, 'f32', odd.subarray(1))).toEqual(bytesOf(values));
    expect([...decodeTensor(as('f32'), odd.subarray(1))]).toEqual([...Float32Array.from(values)]);
  });

  test('bf16 and f16 widen exactly and narrow to nearest', () => {
    const half = encodeTensor(tensor, 'bf16', bytesOf(values));
    const wide = encodeTensor({ ...tensor, dtype: 'bf16' }, 'f32', half);
    expect(decodeTensor(as('f32'), wide)).toEqual(decodeTensor(as('bf16'), half));
    const f16 = encodeTensor(tensor, 'f16', bytesOf(values));
    expect([...decodeTensor(as('f16'), f16)]).toEqual([0, -0, 1, -2.5, 0, 0.7001953125, 65504, 0]);
  });

  test.each(FORMATS)('NaN and infinity are refused in %s', (format) => {
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const source = bytesOf([1, 2, 3, 4, 5, 6, 7, bad]);
      expect(code(() => encodeTensor(tensor, format, source))).toBe('VALUE_NOT_FINITE');
    }
  });

  test('so they are in a source of bf16 and f16 that is kept', () => {
    const source = new Uint8Array(Uint16Array.from([0, 0, 0, 0, 0, 0, 0, 0x7f80]).buffer);
    const bf16 = { ...tensor, dtype: 'bf16' as const };
    expect(code(() => encodeTensor(bf16, 'bf16', source))).toBe('VALUE_NOT_FINITE');
    const infinite = new Uint8Array(Uint16Array.from([0, 0, 0xfc00, 0, 0, 0, 0, 0]).buffer);
    expect(code(() => encodeTensor({ ...tensor, dtype: 'f16' }, 'f16', infinite))).toBe(
      'VALUE_NOT_FINITE',
    );
  });

  test('a value that would round to infinity is refused, in f16 and as a scale', () => {
    const source = bytesOf([65520, 0, 0, 0, 0, 0, 0, 0]);
    expect(code(() => encodeTensor(tensor, 'f16', source))).toBe('VALUE_OUT_OF_RANGE');
    const large = bytesOf([1e9, 0, 0, 0, 0, 0, 0, 0]);
    for (const format of ['q4', 'q8', 'nf4'] as const) {
      expect(code(() => encodeTensor(tensor, format, large))).toBe('VALUE_OUT_OF_RANGE');
    }
  });

  test('only matrices are quantized, and lengths must be right', () => {
    for (const format of ['q4', 'q8', 'nf4', 'fp8'] as const) {
      expect(code(() => byteLength(format, [64]))).toBe('FORMAT_UNSUPPORTED');
    }
    expect(code(() => rowDecoder(as('f32'), new Uint8Array(31)))).toBe('LENGTH_MISMATCH');
    const decode = rowDecoder(as('f32'), bytesOf(values));
    expect(() => decode(2, new Float32Array(4))).toThrow(RangeError);
    expect(() => decode(0, new Float32Array(3))).toThrow(RangeError);
  });
});
