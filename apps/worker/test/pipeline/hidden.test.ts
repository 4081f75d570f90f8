import fc from 'fast-check';
import { expect, it } from 'vitest';
import { packHidden, unpackHidden } from '../../src/pipeline/hidden.ts';

const values = fc
  .array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 12 })
  .map((list) => Float32Array.from(list));

/** As a socket or Redis gives it: somewhere in a larger Buffer. */
const received = (bytes: Uint8Array, before: number) =>
  Buffer.concat([Buffer.alloc(before), bytes]).subarray(before);

it('f32 comes back bit for bit, from any place in a buffer', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 7 }), (given, before) => {
      const payload = packHidden('f32', given, given.length);
      const back = unpackHidden({ ...payload, bytes: received(payload.bytes, before) });
      expect(back).toEqual(given);
    }),
  );
});

it('f16 comes back rounded to the nearest, from any place in a buffer', () => {
  const small = fc
    .array(fc.float({ noNaN: true, min: -60000, max: 60000 }), { minLength: 1, maxLength: 12 })
    .map((list) => Float32Array.from(list));
  fc.assert(
    fc.property(small, fc.integer({ min: 0, max: 7 }), (given, before) => {
      const payload = packHidden('f16', given, given.length);
      expect(payload.bytes.length).toBe(2 * given.length);
      const back = unpackHidden({ ...payload, bytes: received(payload.bytes, before) });
      back.forEach((x, i) => {
        const error = Math.abs(x - given[i]!);
        expect(error).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(given[i]!) * 2 ** -11));
      });
      const again = packHidden('f16', back, back.length);
      expect(Buffer.from(again.bytes).equals(payload.bytes)).toBe(true);
    }),
  );
});
