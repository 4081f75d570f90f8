/**
 * Proofs out of a log's kept nodes, for a server with a long chain: instead of hashing all leaves again
 * (`inclusionProof`, `consistencyProof` of merkle.ts, which the tests compare with), it reads the roots of
 * perfect subtrees, which never change once they are full. A proof needs at most some sixty of them.
 */
import { nodeHash } from './merkle.ts';
import type { Hash } from './types.ts';

/** Root over the 2^level leaves from index·2^level on; at level 0 the leaf hash itself. */
export interface LogNode {
  level: number;
  index: number;
}
export type KeptNode = LogNode & { hash: Hash };

/** Leaves `start` to `end` (exclusive): a subtree of RFC 6962, whose hash is one node of a proof. */
interface Range {
  start: number;
  end: number;
}

/** The perfect subtrees that a subtree falls into, largest first. */
export function nodesOf({ start, end }: Range): LogNode[] {
  const nodes: LogNode[] = [];
  for (let at = start; at < end; ) {
    const level = 31 - Math.clz32(end - at);
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

/** Where RFC 6962 splits a subtree of 2 leaves and more. */
const middle = ({ start, end }: Range) => start + 2 ** (31 - Math.clz32(end - start - 1));

/** Subtrees whose hashes are the inclusion proof, in its order. @throws RangeError */
export function inclusionRanges(index: number, size: number): Range[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} of ${size}`);
  const path: Range[] = [];
  for (let range = { start: 0, end: size }; range.end - range.start > 1; ) {
    const at = middle(range);
    const [left, right] = [
      { start: range.start, end: at },
      { start: at, end: range.end },
    ];
    path.push(index < at ? right : left);
    range = index < at ? left : right;
  }
  return path.reverse();
}

/** The same of a consistency proof from `from` to `to` leaves. @throws RangeError */
export function consistencyRanges(from: number, to: number): Range[] {
  if (!(from >= 0 && from <= to)) throw new RangeError(`${from} is not 0 to ${to}`);
  if (from === 0 || from === to) return [];
  const path: Range[] = [];
  let range = { start: 0, end: to };
  while (range.end !== from) {
    const at = middle(range);
    const [left, right] = [
      { start: range.start, end: at },
      { start: at, end: range.end },
    ];
    path.push(from <= at ? right : left);
    range = from <= at ? left : right;
  }
  // The old tree's own root is left out: whoever checks has it.
  if (range.start > 0) path.push(range);
  return path.reverse();
}

const keyOf = ({ level, index }: LogNode) => `${level}/${index}`;

/**
 * Reads what the subtrees need, in one go, and hashes it together.
 * @param read the kept nodes that it was asked for, in any order
 * @throws RangeError when one of them is missing
 */
export async function hashRanges(
  ranges: readonly Range[],
  read: (nodes: LogNode[]) => Promise<KeptNode[]>,
): Promise<Hash[]> {
  const wanted = ranges.map(nodesOf);
  const all = new Map(wanted.flat().map((node) => [keyOf(node), node]));
  const kept = all.size === 0 ? [] : await read([...all.values()]);
  const hashes = new Map(kept.map((node) => [keyOf(node), node.hash]));
  return wanted.map((nodes) =>
    nodes
      .map((node) => {
        const hash = hashes.get(keyOf(node));
        if (!hash) throw new RangeError(`node ${keyOf(node)} of the log is missing`);
        return hash;
      })
      .reduceRight((right, left) => nodeHash(left, right)),
  );
}
