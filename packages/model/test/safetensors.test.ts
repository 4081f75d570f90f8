import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelError } from '../src/errors.ts';
import { headerLength, PREFIX_BYTES, parseHeader, sourceDtype } from '../src/safetensors.ts';
import { safetensors } from '../src/testing.ts';

const parse = (file: Uint8Array) => {
  const length = headerLength('x.safetensors', file.subarray(0, PREFIX_BYTES), file.byteLength);
  return parseHeader(
    'x.safetensors',
    file.subarray(PREFIX_BYTES, PREFIX_BYTES + length),
    file.byteLength,
  );
};
const f32 = (shape: number[], data_offsets: number[], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets,
});
const data = (bytes: number) => new Uint8Array(bytes);
const claims = (length: bigint, total = 100) => {
  const file = Buffer.alloc(total);
  file.writeBigUInt64LE(length);
  return file;
};
const a8 = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const field = (entry: unknown) => safetensors({ a: entry }, data(8));

describe('headers that lie', () => {
  const cases: [comment: string, code: string, file: Uint8Array][] = [
    ['an empty file', 'HEADER_TRUNCATED', data(0)],
    ['seven bytes', 'HEADER_TRUNCATED', data(7)],
    ['a header longer than the file', 'HEADER_TRUNCATED', claims(93n)],
    ['a header of 2^64 - 1 bytes', 'HEADER_TOO_LARGE', claims(2n ** 64n - 1n)],
    ['a header over the limit', 'HEADER_TOO_LARGE', claims(16n * 1024n * 1024n + 1n)],
    ['a header of no bytes', 'JSON_INVALID', safetensors('')],
    ['not JSON', 'JSON_INVALID', safetensors('{"a":')],
    [
      'not UTF-8',
      'JSON_INVALID',
      Buffer.concat([claims(4n, 8), Buffer.from([0x7b, 0xff, 0x22, 0x7d])]),
    ],
    ['an unterminated string', 'JSON_INVALID', safetensors('{"a')],
    ['nested too deep', 'JSON_TOO_DEEP', safetensors(`{"a":${'['.repeat(1e5)}`)],
    ['a list', 'HEADER_INVALID', safetensors('[]')],
    ['leading white space', 'HEADER_INVALID', safetensors(' {}')],
    ['metadata that is not text', 'HEADER_INVALID', safetensors({ __metadata__: { n: 1 } })],
    ['a name twice', 'JSON_DUPLICATE_KEY', safetensors(`{${a8},${a8}}`, data(8))],
    [
      'a name twice in two spellings',
      'JSON_DUPLICATE_KEY',
      safetensors(`{${a8},${a8.replace('"a"', '"\\u0061"')}}`, data(8)),
    ],
    [
      'a field twice',
      'JSON_DUPLICATE_KEY',
      safetensors('{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}', data(8)),
    ],
    ['an entry that is a number', 'TENSOR_MALFORMED', field(3)],
    ['an entry that is null', 'TENSOR_MALFORMED', field(null)],
    ['an unknown field', 'TENSOR_MALFORMED', field({ ...f32([2], [0, 8]), strides: [1] })],
    ['no shape', 'TENSOR_MALFORMED', field({ dtype: 'F32', data_offsets: [0, 8] })],
    ['a negative size', 'TENSOR_MALFORMED', field(f32([-2], [0, 8]))],
    ['a fractional size', 'TENSOR_MALFORMED', field(f32([0.5, 4], [0, 8]))],
    ['too many dimensions', 'TENSOR_MALFORMED', field(f32(Array(9).fill(1), [0, 4]))],
    ['three offsets', 'TENSOR_MALFORMED', field(f32([2], [0, 4, 8]))],
    ['a negative offset', 'TENSOR_MALFORMED', field(f32([2], [-8, 0]))],
    ['offsets beyond 2^53', 'TENSOR_MALFORMED', field(f32([2], [0, 2 ** 60]))],
    ['an end before the beginning', 'TENSOR_MALFORMED', field(f32([2], [8, 0]))],
    ['no name', 'TENSOR_MALFORMED', safetensors({ '': f32([2], [0, 8]) }, data(8))],
    [
      'a control character in a name',
      'TENSOR_MALFORMED',
      safetensors({ 'a\u001b[2J': f32([2], [0, 8]) }, data(8)),
    ],
    [
      'a name that is too long',
      'TENSOR_MALFORMED',
      safetensors({ [`${'a'.repeat(257)}`]: f32([2], [0, 8]) }, data(8)),
    ],
    ['an unknown type', 'DTYPE_UNKNOWN', field(f32([2], [0, 8], 'F33'))],
    ['a type that is a property of objects', 'DTYPE_UNKNOWN', field(f32([2], [0, 8], 'toString'))],
    ['a type that is a number', 'DTYPE_UNKNOWN', field({ ...f32([2], [0, 8]), dtype: 4 })],
    ['an empty tensor', 'TENSOR_EMPTY', field(f32([0, 2], [0, 0]))],
    ['a length that the shape does not give', 'TENSOR_LENGTH_MISMATCH', field(f32([3], [0, 8]))],
    [
      'sizes whose product overflows',
      'TENSOR_LENGTH_MISMATCH',
      field(f32([2 ** 40, 2 ** 40], [0, 8])),
    ],
    [
      'an overlap',
      'TENSOR_OVERLAP',
      safetensors({ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, data(12)),
    ],
    [
      'two tensors over the same bytes',
      'TENSOR_OVERLAP',
      safetensors({ a: f32([2], [0, 8]), b: f32([2], [0, 8]) }, data(8)),
    ],
    ['a hole', 'TENSOR_HOLE', safetensors({ a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, data(12))],
    ['a hole in front', 'TENSOR_HOLE', safetensors({ a: f32([1], [4, 8]) }, data(8))],
    [
      'a tensor behind the end',
      'TENSOR_OUT_OF_FILE',
      safetensors({ a: f32([1], [400, 404]) }, data(8)),
    ],
    ['a file that ends early', 'FILE_TRUNCATED', safetensors({ a: f32([2], [0, 8]) }, data(7))],
    [
      'bytes of no tensor at the end',
      'TRAILING_BYTES',
      safetensors({ a: f32([2], [0, 8]) }, data(9)),
    ],
    ['no tensors, but bytes', 'TRAILING_BYTES', safetensors({}, data(1))],
  ];
  test.each(cases)('%s: %s', (_, code, file) => {
    let error: unknown;
    try {
      parse(file);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ModelError);
    expect((error as ModelError).code).toBe(code);
    expect((error as ModelError).message).toMatch(/^x\.safetensors/);
    expect((error as ModelError).message.length).toBeLessThan(600);
  });
});

test('more tensors than the limit', () => {
  const many = Object.fromEntries(Array.from({ length: 65_537 }, (_, i) => [`t${i}`, 0]));
  expect(() => parse(safetensors(many))).toThrow(/65537 tensors/);
});

test('a good header gives its tensors in file order, with offsets in the file', () => {
  const header = {
    b: f32([1, 2], [4, 8], 'BF16'),
    __metadata__: { format: 'pt' },
    a: f32([], [0, 4]),
  };
  const text = `${JSON.stringify(header)}   `;
  const start = PREFIX_BYTES + text.length;
  expect(parse(safetensors(text, data(8)))).toEqual([
    { name: 'a', dtype: 'F32', shape: [], offset: start, length: 4 },
    { name: 'b', dtype: 'BF16', shape: [1, 2], offset: start + 4, length: 4 },
  ]);
});

test('the name __proto__ is a name', () => {
  const [tensor] = parse(safetensors(`{"__proto__":${JSON.stringify(f32([2], [0, 8]))}}`, data(8)));
  expect(tensor?.name).toBe('__proto__');
});

test.each(['F8_E5M2', 'I64', 'F64', 'U8'])(
  '%s is parsed, but refused by name for import',
  (dtype) => {
    const tensor = { name: 'w', dtype, shape: [1], offset: 0, length: 1 };
    expect(() => sourceDtype('x.safetensors', tensor)).toThrow(`w is ${dtype}`);
  },
);

test('any bytes give tensors or a ModelError', () => {
  const good = safetensors({ a: f32([2], [0, 8]), b: f32([2], [8, 16]) }, data(16));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bad = Uint8Array.from(good);
      bad[at] = bad[at]! ^ flip;
      try {
        parse(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelError);
      }
    }),
    { numRuns: 500 },
  );
});
