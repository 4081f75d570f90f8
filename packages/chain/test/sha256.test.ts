import { toHex } from '@blyan/chain/hex';
import { createSha256, sha256, sha256Async } from '@blyan/chain/sha256';
import { sha256 as noble } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import vectors from '../vectors/sha256.json';

const utf8 = new TextEncoder();

describe('SHA-256', () => {
  test.each(vectors)('$name: $comment', ({ text, repeat, hash }) => {
    expect(toHex(sha256(utf8.encode(text.repeat(repeat))))).toBe(hash);
  });

  test.each(vectors)('$name, by the platform', async ({ text, repeat, hash }) => {
    const whole = utf8.encode(text.repeat(repeat));
    const half = whole.length >> 1;
    expect(toHex(await sha256Async(whole.subarray(0, half), whole.subarray(half)))).toBe(hash);
  });

  test('equals noble, in one part or many', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (parts) => {
        const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
        const hasher = createSha256();
        for (const part of parts) hasher.update(part);
        const expected = toHex(noble(whole));
        expect(toHex(sha256(...parts))).toBe(expected);
        expect(toHex(sha256(whole))).toBe(expected);
        expect(toHex(hasher.digest())).toBe(expected);
      }),
    );
  });
});
