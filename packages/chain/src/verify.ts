/**
 * Whole chains from one pinned hash. Blocks go in in order of height, those of chain A before the
 * blocks of B and L that are anchored at them; what comes out is a VerifiedBlock, which nothing but
 * this file can make. A refused block leaves the verifier as it was.
 */
import { type Authorities, AuthoritySet } from './authority.ts';
import { type OpenedBlock, openBlock } from './block.ts';
import { ChainError } from './errors.ts';
import { checkGenesis } from './genesis.ts';
import { bytes32, equalBytes, toHex } from './hex.ts';
import { checkAppend, checkNext } from './linkage.ts';
import { consistencyProof, Frontier, inclusionProof, leafHash } from './merkle.ts';
import type {
  BlockRef,
  BlockType,
  BodyOf,
  ChainId,
  Hash,
  Header,
  SealedBlock,
  StoredFile,
} from './types.ts';

/** Held by nothing outside this file, so that a cast does not open the constructor either. */
const MAKER = Symbol();
let make: (block: OpenedBlock) => VerifiedBlock;

/** A block that follows from the pinned genesis, by an author who had the right to write it. */
export class VerifiedBlock<T extends BlockType = BlockType> implements OpenedBlock<T> {
  // Makes the type nominal, and `isVerified` unforgeable.
  readonly #opened: OpenedBlock<T>;

  private constructor(maker: symbol, opened: OpenedBlock<T>) {
    if (maker !== MAKER) throw new TypeError('VerifiedBlock is made by verification only');
    this.#opened = opened;
  }

  static {
    make = (opened) => new VerifiedBlock(MAKER, opened);
  }

  static isVerified(value: unknown): value is VerifiedBlock {
    return typeof value === 'object' && value !== null && #opened in value;
  }

  get chain(): ChainId {
    return this.#opened.header.chain;
  }
  get height(): number {
    return this.#opened.header.height;
  }
  get hash(): Hash {
    return this.#opened.hash;
  }
  get header(): Header & { type: T } {
    return this.#opened.header;
  }
  get body(): BodyOf<T> {
    return this.#opened.body;
  }
  get sealed(): SealedBlock {
    return this.#opened.sealed;
  }
  get ref(): BlockRef {
    return { chain: this.chain, height: this.height, hash: this.hash };
  }

  /** Narrows by type, for `body`. */
  isType<U extends BlockType>(type: U): this is VerifiedBlock<U> {
    return (this.header.type as BlockType) === type;
  }
}

const FILES = new WeakMap<StoredFile, BlockRef>();

/** The verified model block that this entry was read off; undefined for any other object. */
export function blockOfFile(file: StoredFile): BlockRef | undefined {
  return FILES.get(file);
}

interface Chain {
  blocks: VerifiedBlock[];
  log: Frontier;
}

export class ChainVerifier {
  readonly genesis: Hash;
  readonly #authorities = new AuthoritySet();
  readonly #chains: Record<ChainId, Chain> = { A: newChain(), B: newChain(), L: newChain() };
  readonly #byHash = new Map<string, VerifiedBlock>();

  /** @param options.genesis hash of chain A's genesis, pinned by whoever trusts it */
  constructor(options: { genesis: Hash }) {
    this.genesis = new Uint8Array(bytes32(options.genesis, 'genesis'));
  }

  /**
   * Takes in one block. A block that is known already is returned as it is.
   * @throws ChainError; EQUIVOCATION for a second valid block at a height, with both hashes
   */
  accept(sealed: SealedBlock): VerifiedBlock {
    return this.#accept(sealed, checkNext);
  }

  /** For a writer of the chain: as `accept`, and a new block must be anchored at A's head. */
  append(sealed: SealedBlock): VerifiedBlock {
    return this.#accept(sealed, checkAppend);
  }

  #accept(sealed: SealedBlock, check: typeof checkNext): VerifiedBlock {
    const opened = openBlock(copy(sealed));
    const known = this.byHash(opened.hash);
    if (known) return known;
    const { chain, height } = opened.header;
    const { blocks, log } = this.#chains[chain];
    const head = blocks.at(-1);
    if (height === 0) checkGenesis(opened, this.genesis, this.#chains.A.blocks[0]);
    else if (!head) {
      const root = this.#chains.A.blocks[0];
      if (!root) throw new ChainError('GENESIS_MISSING', { chain, height });
      throw new ChainError('HEIGHT_GAP', { chain, height, missing: 0 });
    } else if (height <= head.height) this.#refuseSecond(opened);
    else check(opened, head, log.root(), this.#authorities);

    // Nothing below throws: either all of it happens or none.
    if (chain === 'A') this.#authorities.apply(opened);
    freeze(opened.body);
    const block = make(Object.freeze({ ...opened, header: Object.freeze(opened.header) }));
    if (block.isType('model')) for (const file of block.body.files) FILES.set(file, block.ref);
    blocks.push(block);
    log.append(leafHash(opened.hash));
    this.#byHash.set(toHex(opened.hash), block);
    return block;
  }

  /** A block at a height that is taken: evidence against its author when it is valid there. */
  #refuseSecond(opened: OpenedBlock): never {
    const { chain, height, author } = opened.header;
    const { blocks } = this.#chains[chain];
    const known = blocks[height]!;
    checkNext(opened, blocks[height - 1]!, known.header.log, this.#authorities);
    throw new ChainError('EQUIVOCATION', {
      chain,
      height,
      hash: toHex(known.hash),
      other: toHex(opened.hash),
      author: toHex(author),
    });
  }

  /** Who may write, at every block of chain A. */
  get authorities(): Authorities {
    return this.#authorities;
  }

  head(chain: ChainId): VerifiedBlock | undefined {
    return this.#chains[chain].blocks.at(-1);
  }

  /** Number of blocks, genesis included. */
  size(chain: ChainId): number {
    return this.#chains[chain].blocks.length;
  }

  at(chain: ChainId, height: number): VerifiedBlock | undefined {
    return this.#chains[chain].blocks[height];
  }

  blocks(chain: ChainId): readonly VerifiedBlock[] {
    return [...this.#chains[chain].blocks];
  }

  byHash(hash: Hash): VerifiedBlock | undefined {
    return this.#byHash.get(toHex(hash));
  }

  /** @throws ChainError BLOCK_UNKNOWN, also when the block is of another type */
  require<T extends BlockType>(hash: Hash, type: T): VerifiedBlock<T> {
    const block = this.byHash(hash);
    if (block?.isType(type)) return block;
    throw new ChainError('BLOCK_UNKNOWN', { hash: toHex(hash), type, found: block?.header.type });
  }

  /** Log root over the first `size` blocks: what header number `size` has in `log`. */
  logRoot(chain: ChainId, size: number): Hash {
    const { blocks, log } = this.#chains[chain];
    if (size === blocks.length) return log.root();
    const block = blocks[size];
    if (!block) throw new RangeError(`chain ${chain} has ${blocks.length} blocks, not ${size}`);
    return block.header.log;
  }

  /** That the block at `height` is in the log of the present size. */
  inclusionProof(chain: ChainId, height: number): Hash[] {
    return inclusionProof(this.#leaves(chain), height);
  }

  /** That the log of the present size extends the one of `oldSize`. */
  consistencyProof(chain: ChainId, oldSize: number): Hash[] {
    return consistencyProof(this.#leaves(chain), oldSize);
  }

  #leaves(chain: ChainId): Hash[] {
    return this.#chains[chain].blocks.map((block) => leafHash(block.hash));
  }

  /** Whether a block of this network is this verifier's own, not another one's. */
  owns(block: VerifiedBlock): boolean {
    const known = this.#chains[block.chain].blocks[block.height];
    return known !== undefined && equalBytes(known.hash, block.hash);
  }
}

function newChain(): Chain {
  return { blocks: [], log: Frontier.empty() };
}

/** The caller keeps its buffers; what was verified must not change under it. */
function copy({ header, body, signature }: SealedBlock): SealedBlock {
  return {
    header: new Uint8Array(header),
    body: new Uint8Array(body),
    signature: new Uint8Array(signature),
  };
}

/** Objects and arrays, to the bottom; typed arrays cannot be frozen. */
function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const item of Object.values(value)) freeze(item);
  Object.freeze(value);
}
