/**
 * The models that chain A lists. The web app verifies chain A like any other reader, from the
 * genesis of its own database, and goes on from where it was when the head has changed.
 */
import { toHex } from '@blyan/chain/hex';
import { ChainVerifier, type VerifiedBlock } from '@blyan/chain/verify';
import { head } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import type { BlobStore } from '@blyan/store/blob-store';
import { readChain } from '../chain/rows.ts';
import { notFound, unavailable } from '../http/errors.ts';
import { chooseModel } from './choose.ts';
import { loadModel, type ServedModel } from './served.ts';

export interface ListedModel {
  name: string;
  /** Hex hash of the model block. */
  hash: string;
  block: VerifiedBlock<'model'>;
  retired: boolean;
}

/** Tokenizers of big vocabularies take tens of megabytes: the served model and one on its way out. */
const MAX_LOADED = 2;

export class ModelCatalog {
  readonly #modelName: string | null;
  readonly #db: Db;
  readonly #store: () => Promise<BlobStore>;
  #verifier: ChainVerifier | undefined;
  #head: string | null = null;
  #models: ListedModel[] = [];
  #refreshing: Promise<void> | undefined;
  readonly #loaded = new Map<string, Promise<ServedModel>>();

  constructor(
    options: { modelName: string | null },
    deps: { db: Db; store: () => Promise<BlobStore> },
  ) {
    this.#modelName = options.modelName;
    this.#db = deps.db;
    this.#store = deps.store;
  }

  /** Hex hash of chain A's genesis; null before there is one. */
  async genesis(): Promise<string | null> {
    await this.#refresh();
    return this.#verifier ? toHex(this.#verifier.genesis) : null;
  }

  /** Newest first, retired ones too. */
  async list(): Promise<ListedModel[]> {
    await this.#refresh();
    return this.#models;
  }

  /**
   * A model by name, or the one that is served when no name is given.
   * @param served hashes of the model blocks that can answer now
   * @throws ApiError 404 model_not_found, 503 no_model
   */
  async resolve(name: string | null, served: ReadonlySet<string>): Promise<ListedModel> {
    const models = await this.list();
    const wanted = name ?? this.#modelName;
    const found = chooseModel(models, wanted, served);
    if (found) return found;
    if (name === null)
      throw unavailable(
        'no_model',
        wanted === null
          ? 'There is no model on the chain yet. Import one with: npm run model:import -- <directory or hub id>'
          : `The chain has no model named "${wanted}", which BLYAN_MODEL asks for.`,
      );
    if (models.some((m) => m.name === name))
      throw notFound('model_not_found', `The model "${name}" was retired.`, 'model');
    throw notFound('model_not_found', `There is no model named "${name}" on the chain.`, 'model');
  }

  /** Tokenizer, template and defaults, read from verified bytes; those used last are kept. */
  async load(model: ListedModel): Promise<ServedModel> {
    const { hash } = model;
    const known = this.#loaded.get(hash);
    if (known) {
      this.#loaded.delete(hash);
      this.#loaded.set(hash, known);
      return known;
    }
    const loading = this.#store().then((store) => loadModel(model, store));
    this.#loaded.set(hash, loading);
    loading.catch(() => {
      if (this.#loaded.get(hash) === loading) this.#loaded.delete(hash);
    });
    if (this.#loaded.size > MAX_LOADED) {
      const [oldest] = this.#loaded.keys();
      if (oldest) this.#loaded.delete(oldest);
    }
    return loading;
  }

  async #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const newest = await head(this.#db, 'A');
    if (newest === null) {
      throw unavailable('no_chain', 'The chain has no genesis block yet. Start with: npm start');
    }
    const hash = toHex(newest.hash);
    if (hash === this.#head) return;
    for await (const { hash, sealed } of readChain(this.#db, 'A', this.#verifier?.size('A') ?? 0)) {
      this.#verifier ??= new ChainVerifier({ genesis: hash });
      this.#verifier.accept(sealed);
    }
    this.#models = listModels(this.#verifier);
    this.#head = hash;
  }
}

function listModels(verifier: ChainVerifier | undefined): ListedModel[] {
  const retired = new Set<string>();
  const models: ListedModel[] = [];
  for (const block of verifier?.blocks('A').toReversed() ?? []) {
    if (block.isType('retire')) retired.add(toHex(block.body.model));
    if (!block.isType('model')) continue;
    const hash = toHex(block.hash);
    models.push({ name: block.body.name, hash, block, retired: retired.has(hash) });
  }
  return models;
}
