/** Proofs from kept nodes against proofs from all leaves. */
import { toHex } from '@blyan/chain/hex';
import {
  consistencyRanges,
  hashRanges,
  inclusionRanges,
  type KeptNode,
  type LogNode,
  nodesOf,
} from '@blyan/chain/log-proof';
import { consistencyProof, Frontier, inclusionProof, leafHash } from '@blyan/chain/merkle';
import { expect, test } from 'vitest';

const SIZE = 37;
const leaves = Array.from({ length: SIZE }, (_, i) => leafHash(Uint8Array.of(i)));

/** What a writer keeps of a log that grew to a size: the leaves, and what each append filled up. */
function keep(size: number) {
  const kept = new Map<string, KeptNode>();
  const frontier = Frontier.empty();
  leaves.slice(0, size).forEach((hash, index) => {
    for (const node of [{ level: 0, index, hash }, ...frontier.append(hash)]) {
      kept.set(`${node.level}/${node.index}`, node);
    }
  });
  return async (nodes: LogNode[]) =>
    nodes.flatMap(({ level, index }) => kept.get(`${level}/${index}`) ?? []);
}

test('every inclusion and consistency proof of every tree up to 37 leaves', async () => {
  for (let size = 1; size <= SIZE; size++) {
    const read = keep(size);
    const tree = leaves.slice(0, size);
    for (let i = 0; i < size; i++) {
      const path = await hashRanges(inclusionRanges(i, size), read);
      expect(path.map(toHex)).toEqual(inclusionProof(tree, i).map(toHex));
    }
    for (let from = 0; from <= size; from++) {
      const path = await hashRanges(consistencyRanges(from, size), read);
      expect(path.map(toHex)).toEqual(consistencyProof(tree, from).map(toHex));
    }
  }
});

test('a million blocks need a few dozen nodes', () => {
  for (const ranges of [
    inclusionRanges(654_321, 999_999),
    consistencyRanges(654_321, 999_999),
    inclusionRanges(999_998, 999_999),
  ]) {
    expect(ranges.flatMap(nodesOf).length).toBeLessThan(64);
  }
});

test('what is outside of the tree, or was not kept, is refused', async () => {
  expect(() => inclusionRanges(5, 5)).toThrow(RangeError);
  expect(() => inclusionRanges(-1, 5)).toThrow(RangeError);
  expect(() => consistencyRanges(6, 5)).toThrow(RangeError);
  await expect(hashRanges(inclusionRanges(3, 9), keep(8))).rejects.toThrow('8');
});
