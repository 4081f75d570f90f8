/**
 * A checkpoint directory: configuration, tokenizer and safetensors shards, checked as a whole before
 * anybody writes anything. Nothing here reads weights, but for a head that repeats a tied embedding.
 */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@blyan/chain/sha256';
import { ModelError } from './errors.ts';
import { type ExpectedTensor, expectedTensors, familyOf } from './families/families.ts';
import { MAX_MODEL_FILE_BYTES, MODEL_FILES, type ModelFiles, readModelFiles } from './files.ts';
import { fp8Layout, type SourceDtype, scalesName } from './formats/layout.ts';
import {
  headerLength,
  PREFIX_BYTES,
  parseHeader,
  SCALE_DTYPES,
  type SourceTensor,
  sourceDtype,
} from './safetensors.ts';
import { readIndex, type ShardIndex } from './shard-index.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

export interface Shard {
  /** File name in the directory. */
  path: string;
  byteLength: number;
  /** Length of prefix and header. */
  headerBytes: number;
  /** SHA-256 of prefix and header: the file that is read later must begin with the same. */
  headerHash: Uint8Array;
  /** In file order; together with the header they tile the file. */
  tensors: SourceTensor[];
}

export interface CheckpointTensor extends ExpectedTensor {
  /** Index into `shards`. */
  shard: number;
  dtype: SourceDtype;
  /** In its file. */
  offset: number;
  length: number;
  /** Of an fp8 tensor, and of no other. */
  scales?: ScaleTensor;
}

/** One scale for each block of 128 x 128, row-major; a weight is the fp8 value times its scale. */
export interface ScaleTensor {
  name: string;
  shard: number;
  dtype: 'f32' | 'bf16';
  offset: number;
  length: number;
}

export interface Checkpoint {
  dir: string;
  files: ModelFiles;
  /** Exact bytes of the small files that go on chain, in the order of MODEL_FILES. */
  modelFiles: { path: string; bytes: Uint8Array }[];
  /** The index, when the checkpoint has shards: a source file like the others. */
  index: { path: string; bytes: Uint8Array } | null;
  shards: Shard[];
  /** In chain order. */
  tensors: CheckpointTensor[];
}

/**
 * @throws ModelError that says what is wrong with which file; nothing has been written then
 */
export async function openCheckpoint(dir: string, signal?: AbortSignal): Promise<Checkpoint> {
  const modelFiles: Checkpoint['modelFiles'] = [];
  for (const path of MODEL_FILES) {
    const bytes = await readSmall(dir, path);
    if (bytes) modelFiles.push({ path, bytes });
  }
  if (!modelFiles.some(({ path }) => path === 'config.json')) {
    throw new ModelError(
      'FILE_MISSING',
      { dir, path: 'config.json' },
      `${dir} has no config.json: it is not a checkpoint in the Hugging Face layout.`,
    );
  }
  const files = readModelFiles(new Map(modelFiles.map(({ path, bytes }) => [path, bytes])));
  const indexBytes = await readSmall(dir, INDEX);
  const index = indexBytes ? readIndex(INDEX, indexBytes) : null;
  const single = await isFile(join(dir, SINGLE));
  if (single && index) {
    throw new ModelError(
      'CHECKPOINT_INVALID',
      { dir },
      `${dir} has both ${SINGLE} and ${INDEX}; it is not clear which weights are meant. Remove one.`,
    );
  }
  if (!single && !index) {
    throw new ModelError(
      'FILE_MISSING',
      { dir, path: SINGLE },
      `${dir} has neither ${SINGLE} nor ${INDEX}. Only safetensors checkpoints can be imported.`,
    );
  }
  const shards: Shard[] = [];
  for (const path of index ? index.shards : [SINGLE]) {
    signal?.throwIfAborted();
    shards.push(await openShard(dir, path));
  }
  if (index) checkIndex(index, shards);
  const tensors = await matchTensors(dir, files, shards, signal);
  return {
    dir,
    files,
    modelFiles,
    index: indexBytes ? { path: INDEX, bytes: indexBytes } : null,
    shards,
    tensors,
  };
}

async function isFile(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  return info?.isFile() ?? false;
}

async function readSmall(dir: string, path: string): Promise<Uint8Array | null> {
  const full = join(dir, path);
  const info = await stat(full).catch(() => null);
  if (!info?.isFile()) return null;
  if (info.size > MAX_MODEL_FILE_BYTES) {
    throw new ModelError(
      'FILE_TOO_LARGE',
      { path, byteLength: info.size, max: MAX_MODEL_FILE_BYTES },
      `${path} has ${info.size} bytes; at most ${MAX_MODEL_FILE_BYTES} are read.`,
    );
  }
  return new Uint8Array(await readFile(full));
}

async function openShard(dir: string, path: string): Promise<Shard> {
  let file: FileHandle;
  try {
    file = await open(join(dir, path), 'r');
  } catch (error) {
    throw new ModelError(
      'FILE_MISSING',
      { dir, path },
      `${join(dir, path)} cannot be read: ${(error as Error).message}`,
      error,
    );
  }
  try {
    const { size } = await file.stat();
    const prefix = await readRange(file, 0, Math.min(PREFIX_BYTES, size));
    const length = headerLength(path, prefix, size);
    const start = await readRange(file, 0, PREFIX_BYTES + length);
    return {
      path,
      byteLength: size,
      headerBytes: start.byteLength,
      headerHash: sha256(start),
      tensors: parseHeader(path, start.subarray(PREFIX_BYTES), size),
    };
  } finally {
    await file.close();
  }
}

/** Exactly `length` bytes. @throws ModelError FILE_TRUNCATED */
export async function readRange(
  file: FileHandle,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await readInto(file, offset, bytes);
  return bytes;
}

export async function readInto(
  file: FileHandle,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await file.read(target, done, target.byteLength - done, offset + done);
    if (bytesRead === 0) {
      throw new ModelError(
        'FILE_TRUNCATED',
        { offset: offset + done },
        `A checkpoint file ended at byte ${offset + done} while it was read; did somebody change it?`,
      );
    }
    done += bytesRead;
  }
}

function checkIndex(index: ShardIndex, shards: Shard[]): void {
  const mismatch = (tensor: string, message: string) =>
    new ModelError('INDEX_MISMATCH', { tensor }, `${INDEX}: ${message}`);
  const found = new Map<string, string>();
  let total = 0;
  for (const { path, tensors } of shards) {
    for (const { name, length } of tensors) {
      const listed = index.weightMap.get(name);
      if (listed !== path) {
        throw mismatch(
          name,
          `${name} is in ${path}, the index says ${listed ?? 'nothing about it'}.`,
        );
      }
      found.set(name, path);
      total += length;
    }
  }
  for (const [name, path] of index.weightMap) {
    if (!found.has(name))
      throw mismatch(name, `it lists ${name} in ${path}, which does not have it.`);
  }
  if (index.totalSize !== null && index.totalSize !== total) {
    throw new ModelError(
      'INDEX_MISMATCH',
      { expected: index.totalSize, found: total },
      `${INDEX}: total_size is ${index.totalSize}, the shards hold ${total} bytes of tensors.`,
    );
  }
}

async function matchTensors(
  dir: string,
  files: ModelFiles,
  shards: Shard[],
  signal: AbortSignal | undefined,
): Promise<CheckpointTensor[]> {
  const found = new Map<string, { shard: number; tensor: SourceTensor }>();
  shards.forEach((shard, i) => {
    for (const tensor of shard.tensors) found.set(tensor.name, { shard: i, tensor });
  });
  const family = familyOf(files.config);
  const matched = expectedTensors(files.config).map((expected): CheckpointTensor => {
    const entry = found.get(expected.name);
    if (!entry) {
      throw new ModelError(
        'TENSOR_MISSING',
        { tensor: expected.name },
        `The checkpoint has no tensor ${expected.name}, which config.json calls for.`,
      );
    }
    found.delete(expected.name);
    const { shard, tensor } = entry;
    if (tensor.shape.join() !== expected.shape.join()) {
      throw new ModelError(
        'TENSOR_SHAPE',
        { tensor: expected.name, expected: expected.shape, found: tensor.shape },
        `${expected.name} has shape [${tensor.shape.join(', ')}]; config.json calls for [${expected.shape.join(', ')}].`,
      );
    }
    const dtype = sourceDtype(shards[shard]!.path, tensor);
    const { offset, length } = tensor;
    const matching = { ...expected, shard, dtype, offset, length };
    return dtype === 'fp8' ? { ...matching, scales: takeScales(matching, found) } : matching;
  });
  const [, headName] = family.head;
  const head = files.config.tied ? found.get(headName) : undefined;
  if (head) {
    const embedding = matched.find(({ role }) => role === 'embedding')!;
    const same = { ...head.tensor, shard: head.shard };
    await checkTiedHead(dir, shards, embedding, same, signal);
    found.delete(headName);
  }
  for (const name of found.keys()) {
    if (family.ignored.some((pattern) => pattern.test(name))) continue;
    throw new ModelError(
      'TENSOR_UNEXPECTED',
      { tensor: name },
      `The checkpoint has a tensor ${name}, which a ${family.architecture} with this config.json has no place for.`,
    );
  }
  return matched;
}

/** Takes the scales of an fp8 tensor out of `found`. */
function takeScales(
  { name, shape }: ExpectedTensor,
  found: Map<string, { shard: number; tensor: SourceTensor }>,
): ScaleTensor {
  const scales = scalesName(name);
  const entry = found.get(scales);
  if (!entry) {
    throw new ModelError(
      'TENSOR_MISSING',
      { tensor: scales },
      `${name} is fp8, but the checkpoint has no ${scales} with its scales.`,
    );
  }
  const { shard, tensor } = entry;
  const { rowBlocks, columnBlocks } = fp8Layout(shape);
  const dtype = SCALE_DTYPES[tensor.dtype];
  if (!dtype || tensor.shape.join() !== [rowBlocks, columnBlocks].join()) {
    throw new ModelError(
      'TENSOR_SHAPE',
      { tensor: scales, expected: [rowBlocks, columnBlocks], found: tensor.shape },
      `${scales} is ${tensor.dtype} [${tensor.shape.join(', ')}]; blocks of 128 x 128 call for F32 or BF16 [${rowBlocks}, ${columnBlocks}].`,
    );
  }
  found.delete(scales);
  return { name: scales, shard, dtype, offset: tensor.offset, length: tensor.length };
}

/** Some exporters write a tied head out; it is dropped if, and only if, it is the embedding. */
async function checkTiedHead(
  dir: string,
  shards: Shard[],
  embedding: CheckpointTensor,
  head: SourceTensor & { shard: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const differs = () =>
    new ModelError(
      'TIED_HEAD_DIFFERS',
      { tensor: head.name, embedding: embedding.name },
      `config.json ties the head to the embedding, but ${head.name} differs from ${embedding.name}.`,
    );
  const sameType = sourceDtype(shards[head.shard]!.path, head) === embedding.dtype;
  if (!sameType || head.shape.join() !== embedding.shape.join()) throw differs();
  await using left = await open(join(dir, shards[embedding.shard]!.path), 'r');
  await using right = await open(join(dir, shards[head.shard]!.path), 'r');
  const step = 4 * 1024 * 1024;
  for (let at = 0; at < head.length; at += step) {
    signal?.throwIfAborted();
    const length = Math.min(step, head.length - at);
    const a = await readRange(left, embedding.offset + at, length);
    const b = await readRange(right, head.offset + at, length);
    if (Buffer.compare(a, b) !== 0) throw differs();
  }
}
