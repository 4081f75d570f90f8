/**
 * Which node has served a beginning like this one last: it may have its K and V still. Hashes of the
 * first tokens at a few lengths stand for the beginnings; a wrong guess costs nothing but the guess.
 */

/** Workers keep K and V in whole chunks of 64 positions; a conversation grows past each of these. */
const LENGTHS = [64, 256, 1024, 4096];
/** Beginnings that are remembered, the latest ones: far more than nodes keep. */
const MOST = 4096;

export class Affinity {
  readonly #nodes = new Map<number, string>();

  /** What was read and written on a node: prompt and answer, in parts that follow on each other. */
  served(nodeId: string, ...parts: readonly (readonly number[])[]): void {
    for (const hash of hashes(parts)) {
      this.#nodes.delete(hash);
      this.#nodes.set(hash, nodeId);
    }
    for (const hash of this.#nodes.keys()) {
      if (this.#nodes.size <= MOST) break;
      this.#nodes.delete(hash);
    }
  }

  /** The node that served the longest beginning of these tokens, or undefined. */
  of(...parts: readonly (readonly number[])[]): string | undefined {
    return hashes(parts)
      .reverse()
      .map((hash) => this.#nodes.get(hash))
      .find((nodeId) => nodeId !== undefined);
  }
}

/** FNV-1a over the ids, at each of the lengths that are reached; the length is part of the hash. */
function hashes(parts: readonly (readonly number[])[]): number[] {
  const found: number[] = [];
  let hash = 0x811c9dc5;
  let length = 0;
  for (const part of parts) {
    for (const id of part) {
      hash = Math.imul(hash ^ id, 0x01000193);
      length++;
      if (length === LENGTHS[found.length]) found.push((hash ^ length) >>> 0);
      if (found.length === LENGTHS.length) return found;
    }
  }
  return found;
}
