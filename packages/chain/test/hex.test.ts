import { fromBase64, toBase64 } from '@blyan/chain/base64';
import { fromHex, toHex } from '@blyan/chain/hex';
import { expect, test } from 'vitest';

test('hex and base64 round trip, and read nothing but what they wrote', () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) & 255);
  expect(fromHex(toHex(bytes))).toEqual(bytes);
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  for (const text of ['0', 'AB', 'zz', '0x', ' 0']) expect(() => fromHex(text)).toThrow(TypeError);
  for (const text of ['YQ', 'YR==', 'YQ==\n', 'YQ=', '*', ' YQ==']) {
    expect(() => fromBase64(text)).toThrow(TypeError);
  }
});
