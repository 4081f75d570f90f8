/**
 * Who may write: read off chain A. Every block of chain A is a possible anchor, and each has the set
 * of keys that stands behind it. A block of chain A is judged by the set of the block below it, so a
 * key cannot admit itself, and the block that removes a key can be written by another authority.
 */

import { isType, type OpenedBlock } from './block.ts';
import { isRootGenesis } from './body.ts';
import { ChainError } from './errors.ts';
import { fromHex, toHex } from './hex.ts';
import type { BlockRef, Hash, PublicKey } from './types.ts';

interface Standing {
  height: number;
  /** Hex of the keys. Shared by all heights between two changes. */
  keys: ReadonlySet<string>;
}

/** What a check needs: everything but taking in another block. */
export type Authorities = Pick<AuthoritySet, 'head' | 'at' | 'heightOf' | 'allows' | 'check'>;

export class AuthoritySet {
  readonly #standings = new Map<string, Standing>();
  #head: BlockRef | undefined;

  /**
   * The set as far as a few blocks of chain A need it, without walking the whole chain: for a writer
   * that keeps verified blocks and asks only about anchors that it knows.
   * @param changes genesis and authority blocks of chain A, all up to the head, in order of height
   * @param anchors blocks of chain A that will be asked for; the head among them
   * @throws ChainError as `check`
   */
  static restore(
    changes: readonly OpenedBlock[],
    anchors: readonly BlockRef[],
    head: BlockRef,
  ): AuthoritySet {
    const set = new AuthoritySet();
    let before: ReadonlySet<string> | undefined;
    changes.forEach((block, i) => {
      const keys = after(block, before);
      const end = changes[i + 1]?.header.height ?? head.height + 1;
      for (const { height, hash } of anchors) {
        if (height < block.header.height || height >= end) continue;
        set.#standings.set(toHex(hash), { height, keys });
      }
      before = keys;
    });
    set.#head = head;
    return set;
  }

  /** Head of chain A as applied so far. */
  get head(): BlockRef | undefined {
    return this.#head;
  }

  /** What stood at a block of chain A; undefined when the block is not known. */
  at(anchor: Hash): { height: number; keys: PublicKey[] } | undefined {
    const standing = this.#standings.get(toHex(anchor));
    return standing && { height: standing.height, keys: [...standing.keys].map(fromHex) };
  }

  heightOf(anchor: Hash): number | undefined {
    return this.#standings.get(toHex(anchor))?.height;
  }

  allows(author: PublicKey, anchor: Hash): boolean {
    return this.#standings.get(toHex(anchor))?.keys.has(toHex(author)) ?? false;
  }

  /**
   * Whether a block of chain A changes the set as the rules allow, seen from the block below it.
   * @throws ChainError AUTHORITY_KNOWN, AUTHORITY_UNKNOWN, AUTHORITY_LAST
   */
  check(block: OpenedBlock): void {
    this.#after(block);
  }

  /**
   * Takes in the next block of chain A, in order of height. It has been checked before: `checkNext`.
   * @throws ChainError as `check`; @throws RangeError for any other block than the next
   */
  apply(block: OpenedBlock): void {
    const { chain, height, prev } = block.header;
    const expected = this.#head ? this.#head.height + 1 : 0;
    if (chain !== 'A' || height !== expected || (prev && !this.#standings.has(toHex(prev)))) {
      throw new RangeError(`expected block ${expected} of chain A, got ${height} of ${chain}`);
    }
    this.#standings.set(toHex(block.hash), { height, keys: this.#after(block) });
    this.#head = { chain: 'A', height, hash: block.hash };
  }

  #after(block: OpenedBlock): ReadonlySet<string> {
    const { prev } = block.header;
    return after(block, prev ? this.#standings.get(toHex(prev))?.keys : undefined);
  }
}

/** The keys behind a block of chain A, from those behind the block below it. */
function after(block: OpenedBlock, before: ReadonlySet<string> | undefined): ReadonlySet<string> {
  const { chain, height } = block.header;
  if (isType(block, 'genesis') && isRootGenesis(block.body)) {
    return new Set(block.body.authorities.map(toHex));
  }
  if (!before) throw new RangeError('the block below is not known');
  if (!isType(block, 'authority')) return before;
  const { action } = block.body;
  const key = toHex(block.body.key);
  const where = { chain, height, key };
  const keys = new Set(before);
  if (action === 'add') {
    if (keys.has(key)) throw new ChainError('AUTHORITY_KNOWN', where);
    return keys.add(key);
  }
  if (!keys.delete(key)) throw new ChainError('AUTHORITY_UNKNOWN', where);
  if (keys.size === 0) throw new ChainError('AUTHORITY_LAST', where);
  return keys;
}
