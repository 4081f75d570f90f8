/** A walk's way from bytes to the block that describes them: chunks, tensors, files, whole models. */
import { isType, type OpenedBlock } from './block.ts';
import { ChainError } from './errors.ts';
import { equalBytes, toHex } from './hex.ts';
import { LEAF_SIZE } from './limits.ts';
import { leafCount, leafHashAsync, rootOfLeafList, verifyInclusion } from './merkle.ts';
import { createSha256 } from './sha256.ts';
import type { Hash, LayerBody, StoredFile, TensorDescriptor } from './types.ts';
import type { WalkSource } from './walk-source.ts';
import type { Progress, Recorder, StepName, Subject, WalkEvent } from './walk-steps.ts';

/** Parts that are fetched before their turn: at most so many MiB are held, however large the tensor. */
const AHEAD = 6;

/** A blob to be read whole. */
interface Blob {
  root: Hash;
  byteLength: number;
  subject: Subject;
  file: StoredFile | null;
}

interface Totals {
  done: number;
  total: number;
}

export const blobOf = (tensor: TensorDescriptor, group: string, block: OpenedBlock): Blob => ({
  root: tensor.root,
  byteLength: tensor.byteLength,
  subject: { ...placeOf(block), tensor: tensor.name, group, root: toHex(tensor.root) },
  file: null,
});
export const blobOfFile = (file: StoredFile, block: OpenedBlock): Blob => ({
  root: file.root,
  byteLength: file.byteLength,
  subject: { ...placeOf(block), file: file.path, root: toHex(file.root) },
  file,
});
/** What is said of the bytes: equal for blobs that one reading checks. */
export const claimOf = ({ root, byteLength, file }: Blob): string =>
  `${toHex(root)} ${byteLength} ${file ? toHex(file.sha256) : ''}`;
const placeOf = ({ header: { chain, height } }: OpenedBlock) => ({ chain, height });

/** The entry of a layer block with a root. */
export async function* describe(
  steps: Recorder,
  block: OpenedBlock,
  root: Hash,
): AsyncGenerator<WalkEvent, { tensor: TensorDescriptor; group: string }> {
  const { chain, height } = block.header;
  const hash = toHex(block.hash);
  const subject = { chain, height, hash, root: toHex(root) };
  return yield* steps.run('descriptor', subject, (evidence) => {
    evidence.expected = toHex(root);
    const body = isType(block, 'layer') ? (block.body as LayerBody) : null;
    const tensor = body?.tensors.find((entry) => equalBytes(entry.root, root));
    if (!body || !tensor) {
      throw new ChainError('TENSOR_UNKNOWN', { chain, height, reason: 'no tensor has this root' });
    }
    evidence.actual = tensor.name;
    return { tensor, group: body.group };
  });
}

/** One chunk, by its own path to the root. */
export async function* walkChunk(
  steps: Recorder,
  source: WalkSource,
  blob: Blob,
  chunk: number,
): AsyncGenerator<WalkEvent, void> {
  const { root, byteLength } = blob;
  const size = leafCount(byteLength);
  const subject = { ...blob.subject, chunk };
  const { proof } = yield* steps.run('leaf', subject, async (evidence) => {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= size) {
      throw new ChainError('BYTE_LENGTH', { chunk, reason: `there are ${size} chunks` });
    }
    const start = chunk * LEAF_SIZE;
    const end = Math.min(byteLength, start + LEAF_SIZE);
    const [given, bytes] = await Promise.all([
      source.chunkProof(root, chunk),
      source.blob(root, start, end),
    ]);
    steps.count(bytes);
    if (bytes.length !== end - start) {
      throw new ChainError('BYTE_LENGTH', { chunk, bytes: bytes.length, expected: end - start });
    }
    const leaf = await leafHashAsync(bytes);
    evidence.expected = toHex(given.leaf);
    evidence.actual = toHex(leaf);
    if (!equalBytes(leaf, given.leaf)) {
      throw new ChainError('LEAF_MISMATCH', { chunk, leaf: toHex(given.leaf) });
    }
    return { proof: given };
  });
  yield* steps.run('path', subject, (evidence) => {
    evidence.expected = toHex(root);
    const { leaf, path } = proof;
    // With the number of leaves that the source claims; the descriptor's is the matter of `root`.
    if (verifyInclusion({ leaf, index: chunk, size: proof.size, proof: path, root })) return;
    throw new ChainError('PROOF_INVALID', { chunk, root: toHex(root) });
  });
  yield* steps.run('root', subject, (evidence) => {
    evidence.expected = `${size}`;
    evidence.actual = `${proof.size}`;
    if (proof.size === size) return;
    throw new ChainError('LEAF_LIST_MISMATCH', { reason: `${proof.size} leaves, not ${size}` });
  });
}

/** Whole blobs in order, each chunk checked as it arrives. Memory does not grow with their size. */
export async function* walkBlobs(
  steps: Recorder,
  source: WalkSource,
  blobs: readonly Blob[],
): AsyncGenerator<WalkEvent, void> {
  const total = blobs.reduce((sum, blob) => sum + blob.byteLength, 0);
  const totals = { done: 0, total };
  const parts = prefetch(requests(source, blobs), AHEAD);
  try {
    for (const blob of blobs) yield* walkBlob(steps, blob, parts, totals);
  } finally {
    await parts.return(undefined);
  }
}

async function* walkBlob(
  steps: Recorder,
  blob: Blob,
  parts: AsyncGenerator<Uint8Array, void>,
  totals: Totals,
): AsyncGenerator<WalkEvent, void> {
  const { subject, root, byteLength } = blob;
  const count = leafCount(byteLength);
  let leaves: Uint8Array | undefined;
  if (count > 1) {
    leaves = yield* steps.run('path', { ...subject }, async (evidence) => {
      evidence.expected = toHex(root);
      const list = steps.count(await take(parts));
      const right = list.length > 0 && list.length % 32 === 0;
      const actual = right ? rootOfLeafList(list) : new Uint8Array();
      evidence.actual = toHex(actual);
      if (equalBytes(actual, root)) return list;
      throw new ChainError('LEAF_LIST_MISMATCH', { root: toHex(root) });
    });
    yield* steps.run('root', { ...subject }, (evidence) => {
      evidence.expected = `${count}`;
      evidence.actual = `${leaves!.length / 32}`;
      if (leaves!.length === 32 * count) return;
      throw new ChainError('LEAF_LIST_MISMATCH', { reason: `not ${count} leaves` });
    });
  }
  const step: StepName = blob.file ? 'file' : 'leaf';
  yield* steps.stream(step, subject, (evidence) => {
    evidence.expected = toHex(blob.file ? blob.file.sha256 : root);
    return walkChunks(steps, blob, step, leaves ?? root, parts, totals);
  });
}

/** @param leaves of the chunks; of a blob of one chunk, the leaf is the root */
async function* walkChunks(
  steps: Recorder,
  { root, byteLength, subject, file }: Blob,
  step: StepName,
  leaves: Uint8Array,
  parts: AsyncGenerator<Uint8Array, void>,
  totals: Totals,
): AsyncGenerator<Progress, void> {
  const whole = file && createSha256();
  for (let chunk = 0; chunk < leafCount(byteLength); chunk++) {
    const bytes = steps.count(await take(parts));
    const expected = Math.min(LEAF_SIZE, byteLength - chunk * LEAF_SIZE);
    if (bytes.length !== expected) {
      throw new ChainError('BYTE_LENGTH', { chunk, bytes: bytes.length, expected });
    }
    const leaf = leaves.subarray(32 * chunk, 32 * chunk + 32);
    if (!equalBytes(await leafHashAsync(bytes), leaf)) {
      const where = leaves === root ? { chunk, root: toHex(root) } : { chunk, leaf: toHex(leaf) };
      throw new ChainError('LEAF_MISMATCH', where);
    }
    whole?.update(bytes);
    totals.done += bytes.length;
    yield { kind: 'progress', step, subject: { ...subject, chunk }, unit: 'bytes', ...totals };
  }
  if (whole && !equalBytes(whole.digest(), file!.sha256)) {
    throw new ChainError('FILE_HASH', { sha256: toHex(file!.sha256) });
  }
}

/** What is fetched for the blobs, in the order in which it is checked. */
function* requests(source: WalkSource, blobs: readonly Blob[]) {
  for (const { root, byteLength } of blobs) {
    const count = leafCount(byteLength);
    if (count > 1) yield () => source.leaves(root, count);
    for (let i = 0; i < count; i++) {
      const start = i * LEAF_SIZE;
      yield () => source.blob(root, start, Math.min(byteLength, start + LEAF_SIZE));
    }
  }
}

/** Results in order, `ahead` of them under way. */
async function* prefetch<T>(
  loads: Iterable<() => Promise<T>>,
  ahead: number,
): AsyncGenerator<T, void> {
  const waiting: Promise<{ value: T } | { error: unknown }>[] = [];
  const start = (load: () => Promise<T>) =>
    load().then(
      (value) => ({ value }),
      // Thrown when it is its turn, so that nothing rejects unseen.
      (error: unknown) => ({ error }),
    );
  const next = loads[Symbol.iterator]();
  for (;;) {
    while (waiting.length < ahead) {
      const load = next.next();
      if (load.done) break;
      waiting.push(start(load.value));
    }
    const result = await waiting.shift();
    if (!result) return;
    if ('error' in result) throw result.error;
    yield result.value;
  }
}

async function take(parts: AsyncGenerator<Uint8Array, void>): Promise<Uint8Array> {
  const part = await parts.next();
  if (part.done) throw new RangeError('fewer parts than chunks');
  return part.value;
}
