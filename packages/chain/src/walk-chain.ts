/**
 * A walk's way from a block to the pinned genesis. Chain A is followed block by block, because who may
 * write is read off it. Chains B and L are followed too while they are short; of a long one the block is
 * proved to be in the signed log, by a number of hashes that grows with the logarithm of the chain.
 */
import { type OpenedBlock, openBlockAs } from './block.ts';
import {
  checkAgainst,
  checkAuthor,
  checkHistory,
  type OpenedCheckpoint,
  openCheckpoint,
} from './checkpoint.ts';
import { ChainError } from './errors.ts';
import { derivedGenesisHash } from './genesis.ts';
import { blockHash, checkHeaderSize, decodeHeader } from './header.ts';
import { equalBytes, toHex } from './hex.ts';
import { fromWire } from './json.ts';
import { verify } from './keys.ts';
import { checkNext } from './linkage.ts';
import { leafHash, verifyConsistency, verifyInclusion } from './merkle.ts';
import type { ChainId, Hash, Header } from './types.ts';
import { ChainVerifier } from './verify.ts';
import type { WalkSource } from './walk-source.ts';
import type { Evidence, Progress, Recorder, Subject, WalkEvent } from './walk-steps.ts';

/** Up to here a chain is followed block by block: 500 layer blocks are about 3 MB, read in a second. */
export const MAX_FOLLOWED = 500;

/** What lasts from one walk to the next. */
export class ChainMemory {
  readonly verifier: ChainVerifier;
  /** The last checkpoint of each chain that held. */
  readonly kept = new Map<ChainId, OpenedCheckpoint>();

  /** @param kept from an earlier session; @throws ChainError when they are damaged */
  constructor(genesis: Hash, kept: Partial<Record<ChainId, Uint8Array>> = {}) {
    this.verifier = new ChainVerifier({ genesis });
    for (const [chain, bytes] of Object.entries(kept)) {
      this.kept.set(chain as ChainId, openCheckpoint(bytes));
    }
  }
}

export class ChainWalk {
  readonly #memory: ChainMemory;
  readonly #source: WalkSource;
  readonly #steps: Recorder;
  /** Chains of this walk whose every block is verified; the others are proved into their log. */
  readonly #followed = new Set<ChainId>();

  constructor(memory: ChainMemory, source: WalkSource, steps: Recorder) {
    this.#memory = memory;
    this.#source = source;
    this.#steps = steps;
  }

  get verifier(): ChainVerifier {
    return this.#memory.verifier;
  }

  /**
   * Chain A, and another chain's signed head.
   * @param maxFollowed longest one of the others that is followed block by block
   */
  async *open(
    others: readonly ('B' | 'L')[],
    maxFollowed: number,
  ): AsyncGenerator<WalkEvent, void> {
    // Theirs before A's: so no block under them is anchored above the head of A that is read then.
    const read = async (chain: ChainId) => openCheckpoint(await this.#source.checkpoint(chain));
    const heads: OpenedCheckpoint[] = [];
    for (const chain of others) {
      heads.push(yield* this.#reading(chain, () => read(chain)));
    }
    const a = yield* this.#reading('A', () => read('A'));
    yield* this.#follow('A', a);
    for (const head of heads) {
      const { chain, size } = head.checkpoint;
      if (size <= maxFollowed) yield* this.#follow(chain, head);
      else yield* this.#trust(chain as 'B' | 'L', head);
    }
  }

  /** A checkpoint is fetched silently; only a failure is a step of its own. */
  async *#reading(
    chain: ChainId,
    work: () => Promise<OpenedCheckpoint>,
  ): AsyncGenerator<WalkEvent, OpenedCheckpoint> {
    try {
      const head = await work();
      if (head.checkpoint.chain === chain) return head;
      throw new ChainError('CHECKPOINT_INVALID', { chain, reason: 'it is one of another chain' });
    } catch (error) {
      return yield* this.#steps.run('checkpoint', { chain }, () => Promise.reject(error));
    }
  }

  async *#follow(chain: ChainId, head: OpenedCheckpoint): AsyncGenerator<WalkEvent, void> {
    const { verifier, kept } = this.#memory;
    const { size } = head.checkpoint;
    const follow = this.#blocks(chain, size);
    yield* this.#steps.stream('linkage', { chain, size }, () => follow, { sort: true });
    const genesis = verifier.at(chain, 0)!.hash;
    yield* this.#steps.run('genesis', { chain, height: 0, hash: toHex(genesis) }, (evidence) => {
      evidence.expected = toHex(chain === 'A' ? verifier.genesis : this.#derived(chain));
      evidence.actual = toHex(genesis);
    });
    yield* this.#steps.run('checkpoint', subjectOf(head), (evidence) => {
      evidence.expected = toHex(verifier.logRoot(chain, Math.min(size, verifier.size(chain))));
      evidence.actual = toHex(head.checkpoint.log);
      checkAuthor(head, verifier);
      checkHistory(head, verifier);
    });
    const before = kept.get(chain);
    if (before) {
      yield* this.#steps.run('history', subjectOf(before), () => {
        checkHistory(before, verifier);
        notShorter(before, head);
      });
    }
    kept.set(chain, head);
    this.#followed.add(chain);
  }

  async *#blocks(chain: ChainId, size: number): AsyncGenerator<Progress, void> {
    const { verifier } = this.#memory;
    while (verifier.size(chain) < size) {
      const from = verifier.size(chain);
      const page = await this.#source.page(chain, from);
      // Behind the checkpoint the chain may have grown: that is for the next one.
      for (const wire of page.slice(0, size - from)) {
        const block = fromWire(wire);
        const { header, hash } = block;
        if (header.chain !== chain) {
          const where = { chain, height: header.height, hash: toHex(hash) };
          throw new ChainError('ANSWER_INVALID', { ...where, reason: `of chain ${header.chain}` });
        }
        verifier.accept(block.sealed);
      }
      const done = verifier.size(chain);
      if (done === from) {
        throw new ChainError('SOURCE_FAILED', { chain, height: from, reason: 'no block there' });
      }
      const subject = { chain, size };
      yield { kind: 'progress', step: 'linkage', subject, unit: 'blocks', done, total: size };
    }
  }

  /** The signed head of a long chain, without its blocks. */
  async *#trust(chain: 'B' | 'L', head: OpenedCheckpoint): AsyncGenerator<WalkEvent, void> {
    const { verifier, kept } = this.#memory;
    yield* this.#steps.run('checkpoint', subjectOf(head), () => checkAuthor(head, verifier));
    const before = kept.get(chain);
    if (before) {
      yield* this.#steps.run('history', subjectOf(before), async () => {
        notShorter(before, head);
        const [from, to] = [before.checkpoint.size, head.checkpoint.size];
        // Of equal sizes there is nothing to prove; a shorter one was refused above.
        const proof = from === to ? [] : await this.#source.consistency(chain, from, to);
        checkAgainst(before, head, proof);
      });
    }
    const genesis = this.#derived(chain);
    yield* this.#steps.run(
      'genesis',
      { chain, height: 0, hash: toHex(genesis) },
      async (evidence) => {
        evidence.expected = toHex(genesis);
        await this.#included(head, 0, genesis);
      },
    );
    kept.set(chain, head);
  }

  /**
   * One block of a chain that was opened, with all of its steps.
   * @throws WalkStop
   */
  async *block(chain: ChainId, hash: Hash): AsyncGenerator<WalkEvent, OpenedBlock> {
    const steps = this.#steps;
    const known = this.verifier.byHash(hash);
    const hex = toHex(hash);
    let subject: Subject = { chain, hash: hex };
    const { sealed, header } = yield* steps.run('header', subject, async (evidence) => {
      const bytes = known?.sealed ?? (await this.#source.block(chain, hash));
      evidence.expected = hex;
      return { sealed: bytes, header: readHeader(bytes.header, hash, chain, evidence) };
    });
    subject = { chain, height: header.height, hash: hex };
    yield* steps.run('signature', subject, (evidence) => {
      evidence.expected = toHex(header.author);
      if (verify(sealed.signature, hash, header.author)) return;
      throw new ChainError('SIGNATURE_INVALID', { ...subject, author: toHex(header.author) });
    });
    const opened = yield* steps.run('body', subject, (evidence) => {
      evidence.expected = toHex(header.body);
      return openBlockAs(hash, sealed);
    });
    yield* steps.run('author', subject, (evidence) => {
      evidence.expected = toHex(header.author);
      this.#authorHadTheRight(header, subject);
    });
    if (this.#followed.has(chain)) yield* this.#inFollowed(opened, subject);
    else yield* this.#inLog(opened, subject);
    return opened;
  }

  /** The whole of the chain is verified; the block has to be in it. */
  async *#inFollowed(block: OpenedBlock, subject: Subject): AsyncGenerator<WalkEvent, void> {
    const { chain, height } = block.header;
    const head = this.#memory.kept.get(chain)!;
    yield* this.#steps.run('inclusion', subject, (evidence) => {
      evidence.expected = toHex(head.checkpoint.log);
      const at = this.verifier.at(chain, height);
      if (at && equalBytes(at.hash, block.hash) && height < head.checkpoint.size) return;
      throw new ChainError('BLOCK_UNKNOWN', { chain, height, hash: toHex(block.hash) });
    });
    // Followed, so linked: the verifier has accepted it above the block below it.
    yield* this.#steps.run('linkage', subject, (evidence) => {
      if (block.header.prev) evidence.expected = toHex(block.header.prev);
    });
  }

  async *#inLog(block: OpenedBlock, subject: Subject): AsyncGenerator<WalkEvent, void> {
    const { chain, height, prev, log } = block.header;
    const head = this.#memory.kept.get(chain)!;
    yield* this.#steps.run('inclusion', subject, async (evidence) => {
      evidence.expected = toHex(head.checkpoint.log);
      await this.#included(head, height, block.hash);
    });
    yield* this.#steps.run('linkage', subject, async (evidence) => {
      if (!prev) return;
      evidence.expected = toHex(prev);
      const header = readHeader(await this.#source.header(chain, prev), prev, chain, evidence);
      await this.#included(head, height - 1, prev);
      const { size } = head.checkpoint;
      const proof = await this.#source.consistency(chain, height, size);
      const roots = { oldRoot: log, newRoot: head.checkpoint.log };
      if (!verifyConsistency({ oldSize: height, newSize: size, ...roots, proof })) {
        throw new ChainError('LOG_MISMATCH', { ...subject, log: toHex(log) });
      }
      checkNext(block, { hash: prev, header }, log, this.verifier.authorities);
    });
  }

  async #included(head: OpenedCheckpoint, height: number, hash: Hash): Promise<void> {
    const { chain, size, log: root } = head.checkpoint;
    const where = { chain, height, hash: toHex(hash), size };
    if (height >= size) throw new ChainError('BLOCK_UNKNOWN', where);
    const proof = await this.#source.inclusion(chain, height, size);
    if (verifyInclusion({ leaf: leafHash(hash), index: height, size, proof, root })) return;
    throw new ChainError('PROOF_INVALID', where);
  }

  #authorHadTheRight({ author, anchor, prev }: Header, subject: Subject): void {
    const { authorities } = this.verifier;
    const at = anchor ?? prev;
    if (at === null) return; // chain A's genesis names its authorities itself
    if (authorities.heightOf(at) === undefined) {
      throw new ChainError('ANCHOR_UNKNOWN', { ...subject, anchor: toHex(at) });
    }
    if (authorities.allows(author, at)) return;
    throw new ChainError('AUTHOR_UNLISTED', { ...subject, author: toHex(author) });
  }

  #derived(chain: ChainId): Hash {
    return derivedGenesisHash(this.verifier.at('A', 0)!, chain as 'B' | 'L');
  }
}

function readHeader(bytes: Uint8Array, expected: Hash, chain: ChainId, evidence: Evidence): Header {
  checkHeaderSize(bytes);
  const hash = blockHash(bytes);
  evidence.actual = toHex(hash);
  if (!equalBytes(hash, expected)) {
    throw new ChainError('HASH_MISMATCH', { hash: toHex(hash), expected: toHex(expected) });
  }
  const header = decodeHeader(bytes);
  if (header.chain === chain) return header;
  throw new ChainError('ANSWER_INVALID', { chain, reason: `a block of chain ${header.chain}` });
}

const subjectOf = ({ checkpoint: { chain, size, head } }: OpenedCheckpoint): Subject => ({
  chain,
  size,
  hash: toHex(head),
});

function notShorter({ checkpoint: before }: OpenedCheckpoint, { checkpoint }: OpenedCheckpoint) {
  if (checkpoint.size >= before.size) return;
  const sizes = { oldSize: before.size, newSize: checkpoint.size };
  throw new ChainError('CHECKPOINT_ROLLBACK', { chain: before.chain, ...sizes });
}
