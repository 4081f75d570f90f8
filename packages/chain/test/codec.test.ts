import { decode, encode } from '@blyan/chain/codec';
import { ChainError } from '@blyan/chain/errors';
import { fromHex, toHex } from '@blyan/chain/hex';
import * as dagCbor from '@ipld/dag-cbor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import vectors from '../vectors/codec.json';

/** Any value of the data model, as deep as the bound allows. */
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'binary', maxLength: 12, minLength: 1 }), tie('value'), {
      maxKeys: 5,
    }),
  ),
})).value;

describe('DAG-CBOR', () => {
  test.each(vectors)('$name: $comment', ({ bytes, value }) => {
    const decoded = decode(fromHex(bytes), 1024);
    expect(decoded).toEqual(value);
    expect(toHex(encode(value))).toBe(bytes);
  });

  test('values go round, in the bytes of @ipld/dag-cbor', () => {
    fc.assert(
      fc.property(values, (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        const bytes = encode(value);
        expect(toHex(bytes)).toBe(toHex(dagCbor.encode(value)));
        expect(decode(bytes, 1 << 20)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  test('whatever bytes are read are the bytes that would be written', () => {
    const noise = fc.uint8Array({ maxLength: 24 });
    const changed = fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encode(value);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(noise, changed), (bytes) => {
        let value: unknown;
        try {
          value = decode(bytes, 1 << 20);
        } catch (error) {
          expect(error).toBeInstanceOf(ChainError);
          return;
        }
        expect(toHex(encode(value))).toBe(toHex(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test('floats, undefined and the rest have no encoding', () => {
    const nothing = [0.5, Number.NaN, 2 ** 53, -0, undefined, 1n, '\ud800', new Date(), () => 1];
    for (const value of nothing) expect(() => encode(value)).toThrow(TypeError);
    let deep: unknown = 1;
    for (let i = 0; i < 9; i++) deep = [deep];
    expect(() => encode(deep)).toThrow(TypeError);
  });

  test('byte strings are copies; a prototype key is a key', () => {
    const bytes = encode({ a: Uint8Array.of(1, 2) });
    const value = decode(bytes, 64) as { a: Uint8Array };
    bytes.fill(0);
    expect(value.a).toEqual(Uint8Array.of(1, 2));
    const proto = decode(fromHex('a1695f5f70726f746f5f5ff6'), 64);
    expect(Object.getPrototypeOf(proto)).toBe(null);
    expect(Object.keys(proto as object)).toEqual(['__proto__']);
  });
});
