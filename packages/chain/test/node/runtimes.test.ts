/** Node's half of `#sha256` and `#ed25519` against the browser's half, on every edge. */
import { fromHex, toHex } from '@blyan/chain/hex';
import { isPublicKey } from '@blyan/chain/keys';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as noble from '../../src/ed25519.noble.ts';
import * as node from '../../src/ed25519.node.ts';
import * as nobleSha from '../../src/sha256.noble.ts';
import * as nodeSha from '../../src/sha256.node.ts';
import vectors from '../../vectors/ed25519.json';

test('SHA-256 of a chunk of every length around a block, and of a whole leaf', () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1 << 20]) {
    const bytes = new Uint8Array(length).fill(length & 255);
    expect(toHex(nodeSha.sha256([bytes]))).toBe(toHex(nobleSha.sha256([bytes])));
  }
});

test.each(vectors)('Ed25519 $name', ({ name, publicKey, message, signature, valid }) => {
  const key = fromHex(publicKey);
  const sig = fromHex(signature);
  if (sig.length !== 64 || !isPublicKey(key) || !isPublicKey(sig.subarray(0, 32))) {
    expect(valid).toBe(false); // cut off before either is asked
    return;
  }
  expect(node.verify(sig, fromHex(message), key)).toBe(valid);
  // noble's multiplication wants S in range, which keys.ts has made sure of before.
  if (!name.startsWith('S ')) expect(noble.verify(sig, fromHex(message), key)).toBe(valid);
});

test('Ed25519: keys and signatures are the same bytes', () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes32, fc.uint8Array({ maxLength: 100 }), (seed, message) => {
      expect(toHex(node.publicKeyOf(seed))).toBe(toHex(noble.publicKeyOf(seed)));
      expect(toHex(node.sign(message, seed))).toBe(toHex(noble.sign(message, seed)));
    }),
    { numRuns: 30 },
  );
});
