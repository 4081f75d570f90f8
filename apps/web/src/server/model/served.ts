/** What the web app needs of a model: its tokenizer, its template and its limits. */
import type { VerifiedBlock } from '@blyan/chain/verify';
import { type ModelFiles, readModelFiles } from '@blyan/model/files';
import { type ChatTemplate, createTemplate } from '@blyan/model/template';
import { createTokenizer, type Tokenizer } from '@blyan/model/tokenizer';
import type { BlobStore } from '@blyan/store/blob-store';
import { loadFile } from '@blyan/store/load';
import { unavailable } from '../http/errors.ts';

export interface ServedModel {
  name: string;
  hash: string;
  block: VerifiedBlock<'model'>;
  /** Positions: prompt and answer together. */
  context: number;
  /** Rows of the embedding: token ids are below. */
  vocab: number;
  generation: ModelFiles['generation'];
  tokenizer: Tokenizer;
  template: ChatTemplate;
}

interface Listed {
  name: string;
  hash: string;
  block: VerifiedBlock<'model'>;
}

/** @throws StoreError, ChainError, ModelError; ApiError 503 when the model cannot be chatted with */
export async function loadModel(
  { name, hash, block }: Listed,
  store: BlobStore,
): Promise<ServedModel> {
  const bytes = new Map<string, Uint8Array>();
  for (const file of block.body.files) {
    bytes.set(file.path, await loadFile(file, { store, sources: [] }));
  }
  const files = readModelFiles(bytes);
  if (!files.tokenizer || !files.chatTemplate)
    throw unavailable(
      'model_not_chat',
      `The model "${name}" has no tokenizer or no chat template.`,
    );
  return {
    name,
    hash,
    block,
    context: files.config.context,
    vocab: files.config.vocab,
    generation: files.generation,
    tokenizer: createTokenizer(files),
    template: createTemplate(files),
  };
}
