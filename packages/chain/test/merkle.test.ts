import { equalBytes, fromHex, toHex } from '@blyan/chain/hex';
import {
  consistencyProof,
  emptyRoot,
  Frontier,
  inclusionProof,
  joinLeaves,
  LEAF_SIZE,
  leafHash,
  leafHashes,
  nodeHash,
  rootOfBytes,
  rootOfLeafList,
  rootOfLeaves,
  verifyConsistency,
  verifyInclusion,
} from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { Hash } from '@blyan/chain/types';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import vectors from '../vectors/rfc6962.json';

/** RFC 6962 section 2.1, word for word: the independent half of the comparison. */
function definition(data: Uint8Array[]): Hash {
  if (data.length === 0) return sha256();
  if (data.length === 1) return sha256(Uint8Array.of(0), data[0]!);
  let k = 1;
  while (k * 2 < data.length) k *= 2;
  return nodeHash(definition(data.slice(0, k)), definition(data.slice(k)));
}

const seeds = (size: number) => Array.from({ length: size }, (_, i) => Uint8Array.of(i >> 8, i));
const sizes = fc.integer({ min: 1, max: 130 });

describe('RFC 6962 reference tree', () => {
  const leaves = vectors.leaves.map((data) => leafHash(fromHex(data)));
  const root = (size: number) => fromHex(size === 0 ? vectors.emptyRoot : vectors.roots[size - 1]!);

  test('roots', () => {
    for (let size = 0; size <= 8; size++) {
      expect(toHex(rootOfLeaves(leaves.slice(0, size)))).toBe(toHex(root(size)));
    }
  });
  test.each(vectors.inclusion)('inclusion: $name', ({ index, size, proof }) => {
    expect(inclusionProof(leaves.slice(0, size), index).map(toHex)).toEqual(proof);
    const input = { leaf: leaves[index]!, index, size, proof: proof.map(fromHex) };
    expect(verifyInclusion({ ...input, root: root(size) })).toBe(true);
  });
  test.each(vectors.consistency)('consistency: $name', ({ oldSize, newSize, proof }) => {
    expect(consistencyProof(leaves.slice(0, newSize), oldSize).map(toHex)).toEqual(proof);
    const roots = { oldRoot: root(oldSize), newRoot: root(newSize) };
    expect(verifyConsistency({ oldSize, newSize, ...roots, proof: proof.map(fromHex) })).toBe(true);
  });
});

describe('trees of every shape', () => {
  test('the frontier, kept as bytes between appends, has the root of the definition', () => {
    let frontier = Frontier.empty();
    const data = seeds(70);
    for (let size = 0; size <= 70; size++) {
      expect(toHex(frontier.root())).toBe(toHex(definition(data.slice(0, size))));
      frontier = Frontier.fromBytes(size, frontier.toBytes());
      if (size < 70) frontier.append(leafHash(data[size]!));
    }
    expect(() => Frontier.fromBytes(3, new Uint8Array(32))).toThrow(RangeError);
  });

  test('every leaf has a proof, which no other leaf, index, size or root fits', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat(255), (size, at, other, byte) => {
        const leaves = seeds(size).map(leafHash);
        const index = at % size;
        const input = {
          leaf: leaves[index]!,
          index,
          size,
          proof: inclusionProof(leaves, index),
          root: rootOfLeaves(leaves),
        };
        expect(verifyInclusion(input)).toBe(true);
        const wrong = other % size;
        if (wrong !== index) {
          expect(verifyInclusion({ ...input, index: wrong })).toBe(false);
          expect(verifyInclusion({ ...input, leaf: leaves[wrong]! })).toBe(false);
        }
        expect(verifyInclusion({ ...input, index: size })).toBe(false);
        expect(verifyInclusion({ ...input, root: leafHash(input.root) })).toBe(false);
        expect(verifyInclusion({ ...input, proof: [...input.proof, input.root] })).toBe(false);
        if (input.proof.length > 0) {
          expect(verifyInclusion({ ...input, proof: input.proof.slice(1) })).toBe(false);
          const proof = input.proof.map((hash) => hash.slice());
          proof[byte % proof.length]![byte % 32]! ^= 1;
          expect(verifyInclusion({ ...input, proof })).toBe(false);
        }
      }),
    );
  });

  test('every older tree has a consistency proof, which no other history fits', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(255), (newSize, old, byte) => {
        const leaves = seeds(newSize).map(leafHash);
        const oldSize = old % (newSize + 1);
        const input = {
          oldSize,
          newSize,
          oldRoot: rootOfLeaves(leaves.slice(0, oldSize)),
          newRoot: rootOfLeaves(leaves),
          proof: consistencyProof(leaves, oldSize),
        };
        expect(verifyConsistency(input)).toBe(true);
        expect(verifyConsistency({ ...input, oldRoot: leafHash(input.oldRoot) })).toBe(false);
        if (oldSize > 0) {
          expect(verifyConsistency({ ...input, newRoot: leafHash(input.newRoot) })).toBe(false);
        }
        expect(verifyConsistency({ ...input, proof: [...input.proof, emptyRoot()] })).toBe(false);
        if (input.proof.length > 0) {
          expect(verifyConsistency({ ...input, proof: input.proof.slice(1) })).toBe(false);
          const proof = input.proof.map((hash) => hash.slice());
          proof[byte % proof.length]![byte % 32]! ^= 1;
          expect(verifyConsistency({ ...input, proof })).toBe(false);
        }
        if (oldSize < newSize) {
          const shrunk = { ...input, oldSize: newSize, newSize: oldSize };
          expect(verifyConsistency(shrunk)).toBe(false);
        }
      }),
    );
  });
});

describe('blobs', () => {
  test('any cut into chunks, and any changed byte shows', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        (bytes, leafSize, at) => {
          const chunks: Uint8Array[] = [];
          for (let i = 0; i < bytes.length; i += leafSize) {
            chunks.push(bytes.subarray(i, i + leafSize));
          }
          const root = rootOfBytes(bytes, leafSize);
          expect(toHex(root)).toBe(toHex(definition(chunks)));
          expect(leafHashes(bytes, leafSize)).toEqual(joinLeaves(chunks.map(leafHash)));
          const changed = bytes.slice();
          changed[at % bytes.length]! ^= 1;
          expect(equalBytes(rootOfBytes(changed, leafSize), root)).toBe(false);
        },
      ),
    );
  });

  test('the empty blob is one empty chunk; a node is no leaf', () => {
    expect(toHex(rootOfBytes(new Uint8Array(0)))).toBe(toHex(leafHash(new Uint8Array(0))));
    const [left, right] = [leafHash(Uint8Array.of(1)), leafHash(Uint8Array.of(2))];
    expect(equalBytes(leafHash(joinLeaves([left, right])), nodeHash(left, right))).toBe(false);
  });

  test('leaves are 1 MiB', () => {
    const bytes = new Uint8Array(LEAF_SIZE + 1).fill(9);
    const expected = [leafHash(bytes.subarray(0, 1 << 20)), leafHash(bytes.subarray(1 << 20))];
    expect(leafHashes(bytes)).toEqual(joinLeaves(expected));
    expect(() => rootOfLeafList(new Uint8Array(33))).toThrow(RangeError);
  });
});
