/** Models as the chain has them: blocks verified from the genesis on, files checked by their roots. */
import { ChainError } from '@blyan/chain/errors';
import { fromHex, toHex } from '@blyan/chain/hex';
import { resolveModel } from '@blyan/chain/model';
import type { ChainId, BlockRef as ChainRef, SealedBlock } from '@blyan/chain/types';
import { ChainVerifier, type VerifiedBlock } from '@blyan/chain/verify';
import { listBlocks, MAX_LIST } from '@blyan/db/chain';
import type { PrismaClient } from '@blyan/db/client';
import { DbError } from '@blyan/db/errors';
import { genesisHash } from '@blyan/db/genesis';
import { readModelFiles } from '@blyan/model/files';
import { createTokenizer } from '@blyan/model/tokenizer';
import type { BlockRef } from '@blyan/protocol/answer';
import type { BlobStore } from '@blyan/store/blob-store';
import { loadFile } from '@blyan/store/load';
import { planModelOf } from './planning/plan-model.ts';
import type { Models, ServedModel } from './served-model.ts';

export class ChainModels implements Models {
  readonly #db: PrismaClient;
  readonly #store: BlobStore;
  #verifier: Promise<ChainVerifier> | undefined;
  #syncing: Promise<void> = Promise.resolve();
  readonly #models = new Map<string, Promise<ServedModel>>();

  readonly #name: string | null;

  /** @param name of the model that workers are to hold; null: the newest of all */
  constructor({ db, store, name }: { db: PrismaClient; store: BlobStore; name: string | null }) {
    this.#name = name;
    this.#db = db;
    this.#store = store;
  }

  /** @throws ChainError, DbError, StoreError, ModelError; what failed is tried again by the next call */
  get(hash: string): Promise<ServedModel> {
    let model = this.#models.get(hash);
    if (!model) {
      model = this.#load(hash);
      this.#models.set(hash, model);
      model.catch(() => this.#models.delete(hash));
    }
    return model;
  }

  /** The newest model that is not retired, of the name that is to be served if there is one. */
  async wanted(): Promise<string | null> {
    const verifier = await this.#opened();
    await this.#exclusively(() => this.#sync(verifier, 'A'));
    const retired = new Set<string>();
    const models: string[] = [];
    for (const block of verifier.blocks('A')) {
      if (block.isType('retire')) retired.add(toHex(block.body.model));
      if (!block.isType('model')) continue;
      if (this.#name === null || this.#name === block.body.name) models.push(toHex(block.hash));
    }
    return models.findLast((hash) => !retired.has(hash)) ?? null;
  }

  async #load(hash: string): Promise<ServedModel> {
    const verifier = await this.#synced(hash);
    const block = verifier.require(fromHex(hash), 'model');
    const layers = resolveModel(block, verifier);
    const files = new Map<string, Uint8Array>();
    for (const file of block.body.files) {
      files.set(file.path, await loadFile(file, { store: this.#store, sources: [] }));
    }
    const { config, generation, ...texts } = readModelFiles(files);
    const tokenizer = createTokenizer(texts);
    const [open, close] = [tokenizer.idOf('<think>'), tokenizer.idOf('</think>')];
    const genesis = verifier.at('A', 0);
    return {
      hash,
      name: block.body.name,
      genesis: genesis ? toHex(genesis.hash) : '',
      block: ref(block.ref),
      layerBlocks: layers.map((layer) => ({ ...ref(layer.ref), group: layer.body.group })),
      vocab: config.vocab,
      layers: config.layers,
      context: config.context,
      stopTokens: new Set(generation.stopTokens),
      thinking: open === undefined || close === undefined ? null : { open, close },
      plan: planModelOf(
        layers.map((layer) => layer.body),
        config,
      ),
      detokenizer: () => tokenizer.detokenizer(),
    };
  }

  /** The chains as far as they are needed for this block; one sync at a time. */
  async #synced(hash: string): Promise<ChainVerifier> {
    const verifier = await this.#opened();
    await this.#exclusively(async () => {
      const model = verifier.byHash(fromHex(hash));
      if (model?.isType('model') && hasLayers(model, verifier)) return;
      // A layer block's anchor is on chain A, so A is read first.
      await this.#sync(verifier, 'A');
      await this.#sync(verifier, 'B');
    });
    return verifier;
  }

  #opened(): Promise<ChainVerifier> {
    if (!this.#verifier) {
      this.#verifier = this.#open();
      this.#verifier.catch(() => {
        this.#verifier = undefined;
      });
    }
    return this.#verifier;
  }

  async #exclusively(task: () => Promise<void>): Promise<void> {
    const sync = this.#syncing.then(task);
    this.#syncing = sync.catch(() => undefined);
    await sync;
  }

  async #open(): Promise<ChainVerifier> {
    const genesis = await genesisHash(this.#db);
    if (!genesis) throw new DbError('NOT_INITIALIZED', 'There is no genesis block yet.');
    return new ChainVerifier({ genesis });
  }

  async #sync(verifier: ChainVerifier, chain: 'A' | 'B'): Promise<void> {
    for (;;) {
      const from = verifier.size(chain);
      const page = await listBlocks(this.#db, chain, { from, limit: MAX_LIST });
      for (const { sealed } of page) await this.#accept(verifier, chain, sealed);
      if (page.length < MAX_LIST) break;
    }
  }

  async #accept(verifier: ChainVerifier, chain: ChainId, sealed: SealedBlock): Promise<void> {
    try {
      verifier.accept(sealed);
    } catch (error) {
      // Its author saw a block of chain A that was written after we had read A.
      if (chain === 'A' || !(error instanceof ChainError) || error.code !== 'ANCHOR_UNKNOWN') {
        throw error;
      }
      await this.#sync(verifier, 'A');
      verifier.accept(sealed);
    }
  }
}

const hasLayers = (model: VerifiedBlock<'model'>, verifier: ChainVerifier): boolean =>
  model.body.layers.every(({ block }) => verifier.byHash(block) !== undefined);

const ref = ({ chain, height, hash }: ChainRef): BlockRef => ({ chain, height, hash: toHex(hash) });
