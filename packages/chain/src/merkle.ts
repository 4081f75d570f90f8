/**
 * Merkle trees of RFC 6962 (section 2.1; algorithms as written out in RFC 9162, section 2.1) over
 * SHA-256: one code for blobs (leaves are chunks of 1 MiB), logs (leaves are block hashes), Node and
 * browser. Leaves are given as leaf hashes (`leafHash`), 32 bytes each; only the functions whose name
 * says `Bytes` and `leafHashes` hash data themselves.
 *
 * The empty blob has one leaf, the empty chunk; the empty log has none.
 */
import { bytes32, equalBytes } from './hex.ts';
import { LEAF_SIZE } from './limits.ts';
import { sha256, sha256Async } from './sha256.ts';
import type { Hash } from './types.ts';

export { LEAF_SIZE };

/** Bit operations below are on 32-bit integers. */
const MAX_SIZE = 0x7fffffff;
// RFC 6962: different prefixes, so that no node can be passed off as a leaf.
const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

export function leafHash(data: Uint8Array): Hash {
  return sha256(LEAF_PREFIX, data);
}

/** The same for whole chunks, by the fastest way of the platform. */
export function leafHashAsync(data: Uint8Array): Promise<Hash> {
  return sha256Async(LEAF_PREFIX, data);
}

export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(NODE_PREFIX, left, right);
}

/** Root of no leaves: SHA-256 of nothing. */
export function emptyRoot(): Hash {
  return sha256();
}

function natural(value: number, name: string): number {
  if (!Number.isInteger(value) || value < 0 || value > MAX_SIZE) {
    throw new RangeError(`${name}: expected an integer of 0 to ${MAX_SIZE}, got ${value}`);
  }
  return value;
}

/**
 * Compact range from 0: the roots of the perfect subtrees that the leaves fall into, left to right,
 * largest first. All that an append needs, at most 31 hashes.
 */
export class Frontier {
  #size: number;
  readonly #roots: Hash[];

  private constructor(size: number, roots: Hash[]) {
    this.#size = size;
    this.#roots = roots;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /** The inverse of `toBytes`. @throws RangeError when the length does not go with the size. */
  static fromBytes(size: number, bytes: Uint8Array): Frontier {
    natural(size, 'size');
    let count = 0;
    for (let rest = size; rest > 0; rest >>>= 1) count += rest & 1;
    if (bytes.length !== 32 * count) {
      throw new RangeError(
        `a frontier of ${size} leaves has ${count} hashes, not ${bytes.length} bytes`,
      );
    }
    return new Frontier(size, splitLeafList(bytes));
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the perfect subtrees of 2 leaves and more that this leaf fills up, smallest first. */
  append(leaf: Hash): { level: number; index: number; hash: Hash }[] {
    natural(this.#size + 1, 'size');
    const filled: { level: number; index: number; hash: Hash }[] = [];
    let root: Hash = bytes32(leaf, 'leaf').slice();
    for (let size = this.#size; size & 1; size >>>= 1) {
      root = nodeHash(this.#roots.pop()!, root);
      filled.push({ level: filled.length + 1, index: size >>> 1, hash: root });
    }
    this.#roots.push(root);
    this.#size++;
    return filled;
  }

  root(): Hash {
    if (this.#roots.length === 0) return emptyRoot();
    return this.#roots.reduceRight((right, left) => nodeHash(left, right)).slice();
  }

  /** The subtree roots, 32 bytes each. The size is kept beside them. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return joinLeaves(this.#roots);
  }

  clone(): Frontier {
    return new Frontier(this.#size, [...this.#roots]);
  }
}

/** Root over leaf hashes. */
export function rootOfLeaves(leaves: readonly Hash[]): Hash {
  const frontier = Frontier.empty();
  for (const leaf of leaves) frontier.append(leaf);
  return frontier.root();
}

/** Root over leaf hashes in one list of n * 32 bytes, as `/blobs/{root}/leaves` serves it. */
export function rootOfLeafList(list: Uint8Array): Hash {
  return rootOfLeaves(splitLeafList(list));
}

/** Views of 32 bytes each. @throws RangeError */
export function splitLeafList(list: Uint8Array): Hash[] {
  if (list.length % 32 !== 0) throw new RangeError('a leaf list has 32 bytes a leaf');
  return Array.from({ length: list.length / 32 }, (_, i) => list.subarray(32 * i, 32 * i + 32));
}

export function joinLeaves(leaves: readonly Hash[]): Uint8Array<ArrayBuffer> {
  const list = new Uint8Array(32 * leaves.length);
  leaves.forEach((leaf, i) => {
    list.set(bytes32(leaf, 'leaf'), 32 * i);
  });
  return list;
}

/** Number of chunks of a blob. */
export function leafCount(byteLength: number, leafSize: number = LEAF_SIZE): number {
  return Math.max(1, Math.ceil(byteLength / leafSize));
}

/** Leaf hashes of a blob's chunks, n * 32 bytes. Chunks are hashed in place, without a copy. */
export function leafHashes(
  bytes: Uint8Array,
  leafSize: number = LEAF_SIZE,
): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(leafSize) || leafSize < 1) throw new RangeError('leafSize');
  const count = leafCount(bytes.length, leafSize);
  const list = new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) {
    list.set(leafHash(bytes.subarray(i * leafSize, (i + 1) * leafSize)), 32 * i);
  }
  return list;
}

export function rootOfBytes(bytes: Uint8Array, leafSize: number = LEAF_SIZE): Hash {
  return rootOfLeafList(leafHashes(bytes, leafSize));
}

/** Largest power of two below `size`, for sizes of 2 and more: where RFC 6962 splits a tree. */
function split(size: number): number {
  return 2 ** (31 - Math.clz32(size - 1));
}

/** RFC 9162 section 2.1.3.1: from the leaf's sibling up to the root's child. */
export function inclusionProof(leaves: readonly Hash[], index: number): Hash[] {
  if (natural(index, 'index') >= leaves.length) throw new RangeError(`no leaf ${index}`);
  if (leaves.length === 1) return [];
  const left = split(leaves.length);
  return index < left
    ? [...inclusionProof(leaves.slice(0, left), index), rootOfLeaves(leaves.slice(left))]
    : [...inclusionProof(leaves.slice(left), index - left), rootOfLeaves(leaves.slice(0, left))];
}

/** RFC 9162 section 2.1.3.2. False for every proof that is not exactly the right one. */
export function verifyInclusion(input: {
  leaf: Hash;
  index: number;
  size: number;
  proof: readonly Hash[];
  root: Hash;
}): boolean {
  const { leaf, index, size, proof, root } = input;
  natural(size, 'size');
  bytes32(root, 'root');
  if (natural(index, 'index') >= size) return false;
  let position = index;
  let last = size - 1;
  let hash = bytes32(leaf, 'leaf');
  for (const sibling of proof) {
    if (last === 0) return false;
    bytes32(sibling, 'proof');
    if (position & 1 || position === last) {
      hash = nodeHash(sibling, hash);
      while (!(position & 1) && position !== 0) {
        position >>>= 1;
        last >>>= 1;
      }
    } else hash = nodeHash(hash, sibling);
    position >>>= 1;
    last >>>= 1;
  }
  return last === 0 && equalBytes(hash, root);
}

/** RFC 9162 section 2.1.4.1: that the tree of all leaves extends the one of the first `oldSize`. */
export function consistencyProof(leaves: readonly Hash[], oldSize: number): Hash[] {
  if (natural(oldSize, 'oldSize') > leaves.length) throw new RangeError('oldSize is over the size');
  return oldSize === 0 ? [] : subproof(leaves, oldSize, true);
}

function subproof(leaves: readonly Hash[], oldSize: number, whole: boolean): Hash[] {
  if (oldSize === leaves.length) return whole ? [] : [rootOfLeaves(leaves)];
  const left = split(leaves.length);
  return oldSize <= left
    ? [...subproof(leaves.slice(0, left), oldSize, whole), rootOfLeaves(leaves.slice(left))]
    : [...subproof(leaves.slice(left), oldSize - left, false), rootOfLeaves(leaves.slice(0, left))];
}

/** RFC 9162 section 2.1.4.2. An empty old tree is consistent with every tree, by an empty proof. */
export function verifyConsistency(input: {
  oldSize: number;
  newSize: number;
  oldRoot: Hash;
  newRoot: Hash;
  proof: readonly Hash[];
}): boolean {
  const { oldSize, newSize, oldRoot, newRoot, proof } = input;
  bytes32(oldRoot, 'oldRoot');
  bytes32(newRoot, 'newRoot');
  if (natural(oldSize, 'oldSize') > natural(newSize, 'newSize')) return false;
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, emptyRoot());
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  // An old tree that is one perfect subtree is its own first node.
  const path = (oldSize & (oldSize - 1)) === 0 ? [oldRoot, ...proof] : [...proof];
  const first = path.shift();
  if (!first) return false;
  let position = oldSize - 1;
  let last = newSize - 1;
  while (position & 1) {
    position >>>= 1;
    last >>>= 1;
  }
  let oldHash = bytes32(first, 'proof');
  let newHash = oldHash;
  for (const node of path) {
    if (last === 0) return false;
    bytes32(node, 'proof');
    if (position & 1 || position === last) {
      oldHash = nodeHash(node, oldHash);
      newHash = nodeHash(node, newHash);
      while (!(position & 1) && position !== 0) {
        position >>>= 1;
        last >>>= 1;
      }
    } else newHash = nodeHash(newHash, node);
    position >>>= 1;
    last >>>= 1;
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}
