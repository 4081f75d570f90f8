import { fromHex, toHex } from '@blyan/chain/hex';
import {
  generateKeyPair,
  isPublicKey,
  publicKeyOf,
  sign,
  verify,
  verifyMessage,
} from '@blyan/chain/keys';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as portable from '../src/ed25519.noble.ts';
import vectors from '../vectors/ed25519.json';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('Ed25519', () => {
  test.each(vectors)('$name: $comment', (vector) => {
    const [publicKey, message, signature] = [vector.publicKey, vector.message, vector.signature];
    const result = verifyMessage(fromHex(signature), fromHex(message), fromHex(publicKey));
    expect(result).toBe(vector.valid);
    if ('secretKey' in vector && vector.secretKey) {
      const seed = fromHex(vector.secretKey);
      expect(toHex(publicKeyOf(seed))).toBe(publicKey);
      expect(toHex(portable.sign(fromHex(message), seed))).toBe(signature);
    }
  });

  test('keys, signatures and verdicts equal noble', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), fc.nat(63), fc.nat(7), (seed, hash, at, bit) => {
        const publicKey = publicKeyOf(seed);
        const signature = sign(hash, seed);
        expect(toHex(publicKey)).toBe(toHex(ed25519.getPublicKey(seed)));
        expect(toHex(signature)).toBe(toHex(ed25519.sign(hash, seed)));
        expect(verify(signature, hash, publicKey)).toBe(true);
        expect(portable.verify(signature, hash, publicKey)).toBe(true);
        signature[at]! ^= 1 << bit;
        expect(verify(signature, hash, publicKey)).toBe(false);
      }),
      { numRuns: 25 },
    );
  });

  test('a generated pair signs; noise is not a key and never throws', () => {
    const { publicKey, secretKey } = generateKeyPair();
    const hash = new Uint8Array(32).fill(1);
    expect(isPublicKey(publicKey)).toBe(true);
    expect(verify(sign(hash, secretKey), hash, publicKey)).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 40 }), (s, k) => {
        expect(verify(s, hash, k)).toBe(false);
      }),
    );
    expect(() => sign(new Uint8Array(31), secretKey)).toThrow(TypeError);
    expect(() => publicKeyOf(new Uint8Array(33))).toThrow(TypeError);
  });
});
