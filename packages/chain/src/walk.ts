/**
 * Walks from bytes to the genesis: checks a chunk, a tensor, a block, a model or whole chains of a main
 * node that nobody trusts, step by step, from nothing but the genesis hash. The same code runs in Node
 * and in a page's web worker. What is checked is docs/chain.md; what is asked for over HTTP is
 * walk-source.ts.
 *
 *     const walker = new Walker({ genesis, fetchBytes: httpBytes('https://main.example') });
 *     for await (const event of walker.walk({ kind: 'tensor', root })) {
 *       if (event.kind === 'step') show(event.step, event.ok, event.bytes, event.ms, event.problem);
 *       if (event.kind === 'progress') bar(event.done / event.total);
 *       if (event.kind === 'verdict') end(event.ok, event.failed);
 *     }
 *
 * - Events are plain data: a worker posts them as they are. `STEPS` has a sentence for each step name,
 *   in the order from the bytes to the genesis. They are *run* the other way round (chain A and the signed
 *   heads, the block, its descriptor, the bytes), because nothing is decoded before its hash is known.
 * - A walk ends with the first step that fails: `verdict.failed`, with the code of packages/chain's
 *   errors. SOURCE_FAILED says that the node did not answer, not that something is wrong.
 * - A `Walker` keeps what it has verified of the chains, so that a second walk only reads what is new, and
 *   refuses a rollback in between. One walk at a time.
 * - `verdict.checkpoints` are to be kept (IndexedDB, a file) and given to the next Walker as `kept`: then
 *   a node that shows another history later is caught at the step `history`.
 * - Chain A is followed wholly. Chains B and L are followed up to MAX_FOLLOWED blocks; in a longer one a
 *   block is proved into the signed log (`/proofs/...`). `maxFollowed` sets another bound, or none.
 * - Nothing of a blob is kept: of a tensor of any size, 6 MiB are held at most.
 */
import { isType, type OpenedBlock } from './block.ts';
import { ChainError } from './errors.ts';
import { bytes32, toHex } from './hex.ts';
import { checkLayerOrder, resolveModel } from './model.ts';
import type { ChainId, Hash, ModelBody } from './types.ts';
import type { VerifiedBlock } from './verify.ts';
import { ChainMemory, ChainWalk, MAX_FOLLOWED } from './walk-chain.ts';
import { type FetchBytes, WalkSource } from './walk-source.ts';
import { Recorder, type Verdict, type WalkEvent, WalkStop } from './walk-steps.ts';
import { blobOf, blobOfFile, claimOf, describe, walkBlobs, walkChunk } from './walk-weights.ts';

export { MAX_FOLLOWED } from './walk-chain.ts';
export type { FetchBytes } from './walk-source.ts';
export {
  type Evidence,
  type Problem,
  type Progress,
  STEP_NAMES,
  STEPS,
  type Step,
  type StepName,
  type Subject,
  type Verdict,
  type WalkEvent,
} from './walk-steps.ts';

export type Target =
  | { kind: 'block'; chain: ChainId; hash: Hash }
  /** One tensor; with `chunk`, that chunk alone. `block` spares asking in which layer block it is. */
  | { kind: 'tensor'; root: Hash; block?: Hash; chunk?: number }
  /** A model block, its layer blocks, its files and (unless `weights` is false) all of its tensors. */
  | { kind: 'model'; model: Hash | string; weights?: boolean }
  /** Every block of all three chains; with `weights`, every blob that they name, too. */
  | { kind: 'chains'; weights: boolean };

export interface WalkerOptions {
  /** Block hash of chain A's genesis: all that is trusted. */
  genesis: Hash;
  fetchBytes: FetchBytes;
  /** Chains B and L of up to so many blocks are followed block by block. MAX_FOLLOWED without it. */
  maxFollowed?: number;
  /** Checkpoints of an earlier session (`verdict.checkpoints`). */
  kept?: Partial<Record<ChainId, Uint8Array>>;
}

export class Walker {
  readonly #memory: ChainMemory;
  readonly #options: WalkerOptions;

  /** @throws ChainError CHECKPOINT_INVALID, SIGNATURE_INVALID for a damaged `kept` */
  constructor(options: WalkerOptions) {
    this.#options = options;
    this.#memory = new ChainMemory(bytes32(options.genesis, 'genesis'), options.kept);
  }

  /**
   * Steps, progress and, as the last event, the verdict.
   * @throws what the signal says when it aborts; TypeError and RangeError for wrong targets
   */
  async *walk(target: Target, signal?: AbortSignal): AsyncGenerator<WalkEvent, void> {
    const steps = new Recorder();
    const source = new WalkSource(this.#options.fetchBytes, signal, (bytes) => steps.count(bytes));
    const walk = new Walk(this.#memory, source, steps, this.#options.maxFollowed);
    try {
      yield* walk.run(target);
    } catch (error) {
      if (!(error instanceof WalkStop)) throw error;
    }
    yield this.#verdict(steps);
  }

  #verdict(steps: Recorder): Verdict {
    const checkpoints: Verdict['checkpoints'] = {};
    for (const [chain, { bytes }] of this.#memory.kept) checkpoints[chain] = bytes;
    return {
      kind: 'verdict',
      ok: steps.failed === null,
      failed: steps.failed,
      steps: steps.steps,
      bytes: steps.bytes,
      ms: performance.now() - steps.started,
      checkpoints,
    };
  }
}

class Walk {
  readonly #source: WalkSource;
  readonly #steps: Recorder;
  readonly #chains: ChainWalk;
  readonly #maxFollowed: number;

  constructor(
    memory: ChainMemory,
    source: WalkSource,
    steps: Recorder,
    maxFollowed = MAX_FOLLOWED,
  ) {
    this.#source = source;
    this.#steps = steps;
    this.#maxFollowed = maxFollowed;
    this.#chains = new ChainWalk(memory, source, steps);
  }

  async *run(target: Target): AsyncGenerator<WalkEvent, void> {
    switch (target.kind) {
      case 'block':
        yield* this.#chains.open(target.chain === 'A' ? [] : [target.chain], this.#maxFollowed);
        yield* this.#chains.block(target.chain, bytes32(target.hash, 'hash'));
        return;
      case 'tensor':
        return yield* this.#tensor(target);
      case 'model':
        return yield* this.#model(target.model, target.weights ?? true);
      case 'chains':
        return yield* this.#all(target.weights);
    }
  }

  async *#tensor({ root, block, chunk }: Target & { kind: 'tensor' }) {
    bytes32(root, 'root');
    yield* this.#chains.open(['B'], this.#maxFollowed);
    const hash =
      block ??
      (yield* this.#silent('descriptor', { root: toHex(root) }, () => this.#source.layerOf(root)));
    const layer = yield* this.#chains.block('B', hash);
    const { tensor, group } = yield* describe(this.#steps, layer, root);
    const blob = blobOf(tensor, group, layer);
    if (chunk !== undefined) yield* walkChunk(this.#steps, this.#source, blob, chunk);
    else yield* walkBlobs(this.#steps, this.#source, [blob]);
  }

  async *#model(model: Hash | string, weights: boolean) {
    yield* this.#chains.open(['B'], this.#maxFollowed);
    const hash =
      typeof model === 'string'
        ? yield* this.#silent('header', { model }, () => this.#named(model))
        : bytes32(model, 'model');
    const block = yield* this.#chains.block('A', hash);
    const body = yield* this.#layerList(block);
    const blobs = body.files.map((file) => blobOfFile(file, block));
    for (const { group, block: layerHash } of body.layers) {
      const layer = yield* this.#chains.block('B', layerHash);
      const { tensors } = yield* this.#layer(block, layer, group);
      if (weights) blobs.push(...tensors.map((tensor) => blobOf(tensor, group, layer)));
    }
    yield* walkBlobs(this.#steps, this.#source, blobs);
  }

  async *#layerList(block: OpenedBlock): AsyncGenerator<WalkEvent, ModelBody> {
    const where = { chain: block.header.chain, height: block.header.height };
    const subject = { ...where, hash: toHex(block.hash) };
    return yield* this.#steps.run('layers', subject, () => {
      if (!isType(block, 'model')) {
        throw new ChainError('BLOCK_UNKNOWN', { ...where, found: block.header.type });
      }
      checkLayerOrder(block.body, where);
      return block.body;
    });
  }

  /** The order and the groups of a model whose layer blocks are all followed. */
  async *#layersOf(model: VerifiedBlock<'model'>): AsyncGenerator<WalkEvent, void> {
    const { chain, height } = model;
    const subject = { chain, height, hash: toHex(model.hash), model: model.body.name };
    yield* this.#steps.run(
      'layers',
      subject,
      () => void resolveModel(model, this.#chains.verifier),
    );
  }

  async *#layer(model: OpenedBlock, layer: OpenedBlock, group: string) {
    const { chain, height } = model.header;
    const subject = { chain: 'B' as const, height: layer.header.height, hash: toHex(layer.hash) };
    return yield* this.#steps.run('layers', { ...subject, group }, (evidence) => {
      evidence.expected = group;
      if (isType(layer, 'layer') && layer.body.group === group) return layer.body;
      throw new ChainError('MODEL_LAYERS', { chain, height, group, block: toHex(layer.hash) });
    });
  }

  async *#all(weights: boolean) {
    yield* this.#chains.open(['B', 'L'], Number.POSITIVE_INFINITY);
    const { verifier } = this.#chains;
    const models = verifier.blocks('A').filter((block) => block.isType('model'));
    const all = models.every(({ body }) =>
      body.layers.every(({ block }) => verifier.byHash(block)),
    );
    // A model that was sealed between the reading of the heads names layers above B's: it is read again.
    if (!all) yield* this.#chains.open(['B'], Number.POSITIVE_INFINITY);
    for (const model of models) yield* this.#layersOf(model);
    if (!weights) return;
    const blobs = [...verifier.blocks('A'), ...verifier.blocks('B')].flatMap((block) => {
      if (block.isType('model')) return block.body.files.map((file) => blobOfFile(file, block));
      if (!block.isType('layer')) return [];
      const { group, tensors } = block.body;
      return tensors.map((tensor) => blobOf(tensor, group, block));
    });
    // Every claim is checked: of two that differ about the same root, one is wrong.
    const once = new Map(blobs.map((blob) => [claimOf(blob), blob]));
    yield* walkBlobs(this.#steps, this.#source, [...once.values()]);
  }

  /** The newest model of a name: found on the verified chain, so nobody is asked. */
  #named(name: string): Hash {
    const models = this.#chains.verifier.blocks('A').filter((block) => block.isType('model'));
    const found = models.findLast((block) => block.isType('model') && block.body.name === name);
    if (found) return found.hash;
    throw new ChainError('BLOCK_UNKNOWN', { chain: 'A', reason: `no model is named ${name}` });
  }

  /** Work that is a step only when it fails. */
  async *#silent<T>(
    step: 'descriptor' | 'header',
    subject: { root?: string; model?: string },
    work: () => T | Promise<T>,
  ): AsyncGenerator<WalkEvent, T> {
    try {
      return await work();
    } catch (error) {
      return yield* this.#steps.run(step, subject, () => Promise.reject(error));
    }
  }
}
