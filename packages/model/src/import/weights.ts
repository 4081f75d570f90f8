/** All weights of a checkpoint: hashed, encoded and stored in one pass over each shard in file order. */
import { fromHex, toHex } from '@blyan/chain/hex';
import { LEAF_SIZE } from '@blyan/chain/merkle';
import type { FileRef, StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.ts';
import { rowEncoder } from '../formats/encode.ts';
import { byteLength, formatFor, recipeFor, rowsOf } from '../formats/layout.ts';
import type { Journal } from './journal.ts';
import { LeafHasher } from './leaf-hasher.ts';
import type { BlobSink } from './ports.ts';
import { BATCH_BYTES, ShardReader } from './reader.ts';

export interface WeightsDeps {
  store: BlobSink;
  journal: Journal;
  signal: AbortSignal | undefined;
  /** `bytes` more of the source were dealt with, at last of `tensor`. */
  onBytes(bytes: number, tensor: string): void;
}

export interface StoredWeights {
  /** In chain order. */
  tensors: TensorDescriptor[];
  shards: FileRef[];
}

export async function storeWeights(
  checkpoint: Checkpoint,
  format: StoredFormat | null,
  deps: WeightsDeps,
): Promise<StoredWeights> {
  const wanted = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
  const stored = new Map<string, TensorDescriptor>();
  const shards: FileRef[] = [];
  const bufferBytes = Math.max(BATCH_BYTES, ...checkpoint.tensors.map((t) => step(t)));
  for (const shard of checkpoint.shards) {
    await using reader = await ShardReader.open(checkpoint.dir, shard, bufferBytes);
    deps.onBytes(shard.headerBytes, shard.path);
    const ofShard: TensorDescriptor[] = [];
    for (const { name, length } of shard.tensors) {
      deps.signal?.throwIfAborted();
      const tensor = wanted.get(name);
      if (tensor) ofShard.push(await storeTensor(tensor, format, reader, deps));
      else await skip(reader, length, name, deps);
    }
    const sha256 = await reader.finish();
    for (const descriptor of ofShard) {
      stored.set(descriptor.name, {
        ...descriptor,
        source: { ...descriptor.source, file: sha256 },
      });
    }
    shards.push({ path: shard.path, byteLength: shard.byteLength, sha256 });
  }
  return { tensors: checkpoint.tensors.map(({ name }) => stored.get(name)!), shards };
}

/** Bytes of a batch: whole rows. */
function step(tensor: CheckpointTensor): number {
  const [rows] = rowsOf(tensor.shape);
  const rowBytes = tensor.length / rows;
  return Math.max(1, Math.floor(BATCH_BYTES / rowBytes)) * rowBytes;
}

/** Rotary buffers and a head that repeats the embedding: part of the file's hash, nothing else. */
async function skip(reader: ShardReader, length: number, name: string, deps: WeightsDeps) {
  for await (const piece of reader.next(length, BATCH_BYTES)) deps.onBytes(piece.byteLength, name);
}

type Stored = Pick<TensorDescriptor, 'root' | 'byteLength'> & { source: Uint8Array };

async function storeTensor(
  tensor: CheckpointTensor,
  wanted: StoredFormat | null,
  reader: ShardReader,
  deps: WeightsDeps,
): Promise<TensorDescriptor> {
  const { name, role, dtype, shape, offset, length } = tensor;
  const format = formatFor(wanted, dtype, shape);
  const recipe = recipeFor(dtype, format);
  const key = JSON.stringify([dtype, shape, format, recipe.name, recipe.version]);
  const pieces = () => reader.next(length, step(tensor));
  const finished = await finishedBlob(tensor, format, key, deps);
  let result: Stored;
  if (finished && Buffer.compare(await sourceRoot(pieces(), name, deps), finished.source) === 0) {
    result = finished;
  } else {
    // When the journal was wrong the bytes have passed, and been counted, already.
    const source = finished ? reader.again(offset, length, step(tensor)) : pieces();
    const counted = finished ? { ...deps, onBytes: () => undefined } : deps;
    result = await encode(tensor, format, source, counted);
    await deps.journal.add({
      name,
      recipe: key,
      source: toHex(result.source),
      root: toHex(result.root),
      byteLength: result.byteLength,
    });
  }
  const { root, byteLength: stored, source } = result;
  return {
    name,
    role,
    dtype,
    shape,
    format,
    byteLength: stored,
    leafSize: LEAF_SIZE,
    root,
    // The file's hash is known when all of it was read.
    source: { file: new Uint8Array(32), offset, length, root: source },
    recipe,
  };
}

/** What the journal says about this tensor, if the blob is really there. */
async function finishedBlob(
  tensor: CheckpointTensor,
  format: StoredFormat,
  key: string,
  deps: WeightsDeps,
): Promise<Stored | null> {
  const entry = deps.journal.get(tensor.name);
  if (entry?.recipe !== key || entry.byteLength !== byteLength(format, tensor.shape)) return null;
  const root = fromHex(entry.root);
  const blob = await deps.store.stat(root);
  if (blob?.byteLength !== entry.byteLength) return null;
  return { root, byteLength: entry.byteLength, source: fromHex(entry.source) };
}

async function sourceRoot(pieces: AsyncIterable<Uint8Array>, name: string, deps: WeightsDeps) {
  const hasher = new LeafHasher();
  for await (const piece of pieces) {
    deps.signal?.throwIfAborted();
    hasher.update(piece);
    deps.onBytes(piece.byteLength, name);
  }
  return hasher.root();
}

async function encode(
  tensor: CheckpointTensor,
  format: StoredFormat,
  pieces: AsyncIterable<Uint8Array>,
  deps: WeightsDeps,
): Promise<Stored> {
  const [rows] = rowsOf(tensor.shape);
  const rowBytes = tensor.length / rows;
  const encoder = rowEncoder(tensor, format, Math.min(rows, step(tensor) / rowBytes));
  // Raw bytes are the source's, and so is their root.
  const hasher = format === tensor.dtype ? null : new LeafHasher();
  await using writer = await deps.store.write();
  for await (const piece of pieces) {
    deps.signal?.throwIfAborted();
    hasher?.update(piece);
    await writer.write(encoder.push(piece));
    deps.onBytes(piece.byteLength, tensor.name);
  }
  await writer.write(encoder.finish());
  const { root, byteLength: stored } = await writer.finish();
  return { root, byteLength: stored, source: hasher?.root() ?? root };
}
