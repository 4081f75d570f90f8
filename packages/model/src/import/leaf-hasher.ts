import { LEAF_SIZE, leafHash, rootOfLeaves } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';

/** Merkle root of bytes that come in pieces. Whole leaves are hashed where they lie. */
export class LeafHasher {
  readonly #leaves: Hash[] = [];
  #carry: Uint8Array | null = null;
  #carried = 0;

  update(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      const rest = bytes.byteLength - at;
      if (this.#carried === 0 && rest >= LEAF_SIZE) {
        this.#leaves.push(leafHash(bytes.subarray(at, at + LEAF_SIZE)));
        at += LEAF_SIZE;
        continue;
      }
      const take = Math.min(rest, LEAF_SIZE - this.#carried);
      this.#carry ??= new Uint8Array(LEAF_SIZE);
      this.#carry.set(bytes.subarray(at, at + take), this.#carried);
      this.#carried += take;
      at += take;
      if (this.#carried === LEAF_SIZE) this.#flush();
    }
  }

  root(): Hash {
    if (this.#carried > 0 || this.#leaves.length === 0) this.#flush();
    return rootOfLeaves(this.#leaves);
  }

  #flush(): void {
    this.#leaves.push(leafHash((this.#carry ?? new Uint8Array(0)).subarray(0, this.#carried)));
    this.#carried = 0;
  }
}
