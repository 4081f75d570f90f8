/**
 * From a checkpoint directory to blocks: everything is checked, then weights and files become blobs,
 * then one layer block a group, and the model block last, so that a model that is on chain is whole.
 * Deterministic: the same source, format and name give the same bodies; blocks that are there already
 * are found by the hash of their body and used again.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { bodyHash, encodeBody } from '@blyan/chain/body';
import { sha256 } from '@blyan/chain/sha256';
import type {
  BodyOf,
  ChainId,
  FileRef,
  LayerBody,
  ModelBody,
  StoredFile,
  StoredFormat,
} from '@blyan/chain/types';
import { type Checkpoint, openCheckpoint } from '../checkpoint.ts';
import { ModelError } from '../errors.ts';
import { elements, formatFor, recipeFor } from '../formats/layout.ts';
import { checkChat } from './chat-check.ts';
import { Journal } from './journal.ts';
import type { AppendPort, BlobSink, BlockPlace } from './ports.ts';
import { storeWeights } from './weights.ts';

export type { AppendPort, BlobSink, BlobSinkWriter, BlockPlace } from './ports.ts';

export interface ImportProgress {
  phase: 'weights' | 'files' | 'blocks';
  /** The tensor, file or layer group that is worked on. */
  item: string;
  /** Of the source's weight files; the same while files and blocks are written. */
  doneBytes: number;
  totalBytes: number;
}

export interface ImportOptions {
  /** Of the model block. */
  name: string;
  /** null keeps the checkpoint's own types. */
  format: StoredFormat | null;
  source: {
    /** e.g. `org/name`; null for a directory of unknown origin. */
    repository: string | null;
    revision: string | null;
    /** Hex SHA-256 by path, as the origin publishes them; a file that differs is refused. */
    sha256?: ReadonlyMap<string, string>;
  };
  signal?: AbortSignal;
  onProgress?: (progress: ImportProgress) => void;
}

export interface ImportDeps {
  store: BlobSink;
  chain: AppendPort;
  /** Where unfinished imports keep what they need to go on. */
  journalDir: string;
}

export interface ImportResult {
  modelBlock: BlockPlace;
  /** In chain order. */
  layerBlocks: (BlockPlace & { group: string })[];
  /** The model block was on chain already. */
  reused: boolean;
  parameters: number;
  storedBytes: number;
}

/** @throws ModelError before anything is written when the checkpoint is not fit to be served */
export async function importModel(
  dir: string,
  options: ImportOptions,
  deps: ImportDeps,
): Promise<ImportResult> {
  const { format, signal } = options;
  const checkpoint = await openCheckpoint(dir, signal);
  checkChat(checkpoint.files);
  const totalBytes = checkpoint.shards.reduce((sum, shard) => sum + shard.byteLength, 0);
  let doneBytes = 0;
  const report = (phase: ImportProgress['phase'], item: string) =>
    options.onProgress?.({ phase, item, doneBytes, totalBytes });

  await using journal = await Journal.open(join(deps.journalDir, journalName(checkpoint, format)));
  const onBytes = (bytes: number, tensor: string) => {
    doneBytes += bytes;
    report('weights', tensor);
  };
  const weights = await storeWeights(checkpoint, format, {
    store: deps.store,
    journal,
    signal,
    onBytes,
  });
  const files: StoredFile[] = [];
  for (const { path, bytes } of checkpoint.modelFiles) {
    report('files', path);
    const { root } = await deps.store.put(bytes);
    files.push({ path, byteLength: bytes.byteLength, sha256: sha256(bytes), root });
  }
  const sourceFiles = listSourceFiles(checkpoint, files, weights.shards);
  checkPublishedHashes(sourceFiles, options.source.sha256);

  const layerBlocks: ImportResult['layerBlocks'] = [];
  for (const body of layerBodies(checkpoint, weights.tensors)) {
    signal?.throwIfAborted();
    report('blocks', body.group);
    const { hash, height } = await place(deps.chain, 'B', 'layer', body);
    layerBlocks.push({ group: body.group, hash, height });
  }
  const [embedding] = checkpoint.tensors;
  const { dtype, shape } = embedding!;
  const body: ModelBody = {
    name: options.name,
    family: checkpoint.files.config.family,
    parameters: weights.tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0),
    files,
    layers: layerBlocks.map(({ group, hash }) => ({ group, block: hash })),
    recipe: recipeFor(dtype, formatFor(format, dtype, shape)),
    source: {
      repository: options.source.repository,
      revision: options.source.revision,
      files: sourceFiles,
    },
  };
  report('blocks', 'model');
  const { reused, ...modelBlock } = await place(deps.chain, 'A', 'model', body);
  await journal.remove();
  const storedBytes = weights.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return { modelBlock, layerBlocks, reused, parameters: body.parameters, storedBytes };
}

/** One journal for each checkpoint (by configuration and shard headers) and format. */
function journalName(checkpoint: Checkpoint, format: StoredFormat | null): string {
  const hash = createHash('sha256').update(format ?? 'source');
  for (const { bytes } of checkpoint.modelFiles) hash.update(sha256(bytes));
  for (const { headerHash } of checkpoint.shards) hash.update(headerHash);
  return `${hash.digest('hex').slice(0, 32)}.jsonl`;
}

function* layerBodies(checkpoint: Checkpoint, tensors: LayerBody['tensors']): Generator<LayerBody> {
  const groups = new Set(checkpoint.tensors.map(({ group }) => group));
  for (const group of groups) {
    yield { group, tensors: tensors.filter((_, i) => checkpoint.tensors[i]!.group === group) };
  }
}

function listSourceFiles(
  checkpoint: Checkpoint,
  files: StoredFile[],
  shards: FileRef[],
): FileRef[] {
  const list = files.map(({ path, byteLength, sha256: hash }) => ({
    path,
    byteLength,
    sha256: hash,
  }));
  if (checkpoint.index) {
    const { path, bytes } = checkpoint.index;
    list.push({ path, byteLength: bytes.byteLength, sha256: sha256(bytes) });
  }
  return [...list, ...shards].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function checkPublishedHashes(
  files: FileRef[],
  published: ReadonlyMap<string, string> | undefined,
) {
  for (const { path, sha256: hash } of files) {
    const expected = published?.get(path);
    const found = Buffer.from(hash).toString('hex');
    if (expected === undefined || expected === found) continue;
    throw new ModelError(
      'SOURCE_CHANGED',
      { path, expected, found },
      `${path} has SHA-256 ${found}, but its origin publishes ${expected}. Nothing was put on chain.`,
    );
  }
}

async function place<T extends 'layer' | 'model'>(
  chain: AppendPort,
  id: ChainId,
  type: T,
  body: BodyOf<T>,
): Promise<BlockPlace & { reused: boolean }> {
  const found = await chain.findByBody(id, bodyHash(encodeBody(type, body)));
  const { hash, height } = found ?? (await chain.append(id, type, body));
  return { hash, height, reused: found !== null };
}
