/** All weights of a checkpoint: hashed, encoded and stored in one pass over each shard in file order. */
import { fromHex, toHex } from '@blyan/chain/hex';
import { LEAF_SIZE } from '@blyan/chain/merkle';
import type { FileRef, StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.ts';
import { rowEncoder, type SourceShape } from '../formats/encode.ts';
import { byteLength, formatFor, recipeFor, rowsOf, rowsTogether } from '../formats/layout.ts';
import type { Journal } from './journal.ts';
import { LeafHasher } from './leaf-hasher.ts';
import type { BlobSink } from './ports.ts';
import { BATCH_BYTES, ShardReader } from './reader.ts';
import { readScales, type SourceScales } from './scales.ts';

/** Syncs in flight; each holds a file and a megabyte. */
const MAX_FINISHING = 4;

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
  const scales = await readScales(checkpoint);
  const stored = new Map<string, TensorDescriptor>();
  const shards: FileRef[] = [];
  const bufferBytes = Math.max(BATCH_BYTES, ...checkpoint.tensors.map((t) => step(t, format)));
  for (const shard of checkpoint.shards) {
    await using reader = await ShardReader.open(checkpoint.dir, shard, bufferBytes);
    await using finishing = new Finishing();
    deps.onBytes(shard.headerBytes, shard.path);
    const ofShard: Promise<TensorDescriptor>[] = [];
    for (const { name, length } of shard.tensors) {
      deps.signal?.throwIfAborted();
      const tensor = wanted.get(name);
      if (!tensor) {
        const root = await skip(reader, length, name, deps);
        scales.check(name, root, reader);
        continue;
      }
      const { done } = await storeTensor(tensor, format, reader, scales, deps);
      ofShard.push(done);
      await finishing.add(done);
    }
    const file = await reader.finish();
    for (const { source, ...descriptor } of await Promise.all(ofShard)) {
      stored.set(descriptor.name, { ...descriptor, source: { ...source, file } });
    }
    shards.push({ path: shard.path, byteLength: shard.byteLength, sha256: file });
  }
  const tensors = checkpoint.tensors.map(({ name, scales: from }) => {
    const { source, ...descriptor } = stored.get(name)!;
    if (!from) return { ...descriptor, source };
    const { shard, offset, length } = from;
    const range = { file: shards[shard]!.sha256, offset, length, root: scales.of(name)!.root };
    return { ...descriptor, source: { ...source, scales: range } };
  });
  return { tensors, shards };
}

/** Bytes of a batch: as many rows as the encoder takes together. */
function step(tensor: CheckpointTensor, wanted: StoredFormat | null): number {
  const [rows] = rowsOf(tensor.shape);
  const format = formatFor(wanted, tensor.dtype, tensor.shape);
  const bytes = (tensor.length / rows) * rowsTogether(format);
  return Math.max(1, Math.floor(BATCH_BYTES / bytes)) * bytes;
}

/**
 * Scales, which were read already, rotary buffers and a head that repeats the embedding: part of the
 * file's hash, nothing else. Returns the root of the bytes.
 */
const skip = (reader: ShardReader, length: number, name: string, deps: WeightsDeps) =>
  sourceRoot(reader.next(length, BATCH_BYTES), name, deps);

/** Blobs that are being made durable while the next tensors are worked on: disks wait longest on sync. */
class Finishing implements AsyncDisposable {
  readonly #running: Promise<unknown>[] = [];

  async add(task: Promise<unknown>): Promise<void> {
    // Awaited here or by the caller; in between, a failure must not end the process.
    task.catch(() => undefined);
    this.#running.push(task);
    if (this.#running.length > MAX_FINISHING) await this.#running.shift();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}

type Stored = Pick<TensorDescriptor, 'root' | 'byteLength'> & { source: Uint8Array };

/** Resolves when the tensor's bytes have passed; `done` when its blob is durable. */
async function storeTensor(
  tensor: CheckpointTensor,
  wanted: StoredFormat | null,
  reader: ShardReader,
  scales: SourceScales,
  deps: WeightsDeps,
): Promise<{ done: Promise<TensorDescriptor> }> {
  const { name, role, dtype, shape, offset, length } = tensor;
  const format = formatFor(wanted, dtype, shape);
  const recipe = recipeFor(dtype, format);
  const describe = ({ root, byteLength: bytes, source }: Stored): TensorDescriptor => ({
    name,
    role,
    dtype,
    shape,
    format,
    byteLength: bytes,
    leafSize: LEAF_SIZE,
    root,
    // The file's hash is known when all of it was read.
    source: { file: new Uint8Array(32), offset, length, root: source },
    recipe,
  });
  const own = scales.of(name);
  const fields = [dtype, shape, format, recipe.name, recipe.version];
  const key = JSON.stringify(own ? [...fields, toHex(own.root)] : fields);
  const finished = await finishedBlob(tensor, format, key, deps);
  const pieces = reader.next(length, step(tensor, wanted));
  if (finished && Buffer.compare(await sourceRoot(pieces, name, deps), finished.source) === 0) {
    return { done: Promise.resolve(describe(finished)) };
  }
  // When the journal was wrong the bytes have passed, and been counted, already.
  const source = finished ? reader.again(offset, length, step(tensor, wanted)) : pieces;
  const counted = finished ? { ...deps, onBytes: () => undefined } : deps;
  const from = { name, shape, dtype, length, scales: own?.scales };
  const encoded = await encode(from, format, source, step(tensor, wanted), counted);
  const finish = async () => {
    const result = await encoded.finish();
    const { root, byteLength: bytes } = result;
    const line = { name, recipe: key, source: toHex(result.source), root: toHex(root) };
    await deps.journal.add({ ...line, byteLength: bytes });
    return describe(result);
  };
  return { done: finish() };
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
  tensor: SourceShape & { length: number },
  format: StoredFormat,
  pieces: AsyncIterable<Uint8Array>,
  stepBytes: number,
  deps: WeightsDeps,
): Promise<{ finish: () => Promise<Stored> }> {
  const [rows] = rowsOf(tensor.shape);
  const rowBytes = tensor.length / rows;
  const encoder = rowEncoder(tensor, format, Math.min(rows, stepBytes / rowBytes));
  // Raw bytes are the source's, and so is their root, unless scales follow them.
  const raw = format === tensor.dtype && format !== 'fp8';
  const hasher = raw ? null : new LeafHasher();
  const writer = await deps.store.write();
  let written: Promise<void> = Promise.resolve();
  try {
    for await (const piece of pieces) {
      deps.signal?.throwIfAborted();
      hasher?.update(piece);
      // An encoder has one output buffer; raw bytes are written from where they were read to.
      if (!raw) await written;
      const bytes = encoder.push(piece);
      await written;
      written = writer.write(bytes);
      written.catch(() => undefined);
      deps.onBytes(piece.byteLength, tensor.name);
    }
    await written;
    await writer.write(encoder.finish());
  } catch (error) {
    await written.catch(() => undefined);
    await writer[Symbol.asyncDispose]();
    throw error;
  }
  return {
    async finish() {
      await using finishing = writer;
      const { root, byteLength: bytes } = await finishing.finish();
      return { root, byteLength: bytes, source: hasher?.root() ?? root };
    },
  };
}
