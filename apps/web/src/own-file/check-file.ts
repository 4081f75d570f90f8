/** A safetensors file against what a model records: the whole by its hash, each tensor by its roots. */
import { equalBytes, toHex } from '@blyan/chain/hex';
import { createSha256 } from '@blyan/chain/sha256';
import type { FileRef, TensorDescriptor } from '@blyan/chain/types';
import type { SourceDtype } from '@blyan/model/formats/layout';
import { runAgain, type Scales } from '@blyan/model/formats/run-again';
import {
  headerLength,
  PREFIX_BYTES,
  parseHeader,
  type SourceTensor,
  sourceDtype,
} from '@blyan/model/safetensors';
import type { OwnFileReply, TensorResult } from './messages.ts';

/** Of bytes that belong to no tensor of the model. */
const STEP_BYTES = 2 ** 22;

export interface Recorded {
  /** Source files of the model. */
  files: FileRef[];
  tensors: TensorDescriptor[];
}

/** What of `File` is used: a part is read when it is asked for. */
export interface LocalFile {
  name: string;
  size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** @throws ModelError for a file that is no safetensors file; DOMException when it cannot be read */
export async function* checkFile(
  file: LocalFile,
  { files, tensors }: Recorded,
): AsyncGenerator<OwnFileReply, void> {
  const began = performance.now();
  const read = async (start: number, end: number) =>
    new Uint8Array(await file.slice(start, end).arrayBuffer());
  const prefix = await read(0, PREFIX_BYTES);
  const length = headerLength(file.name, prefix, file.size);
  const header = await read(PREFIX_BYTES, PREFIX_BYTES + length);
  const found = parseHeader(file.name, header, file.size);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const whole = createSha256().update(prefix).update(header);
  let done = PREFIX_BYTES + length;
  const onBytes = (bytes: Uint8Array) => {
    whole.update(bytes);
    done += bytes.length;
  };
  for (const source of found) {
    yield { kind: 'progress', done, total: file.size, name: source.name };
    const tensor = byName.get(source.name);
    const why = tensor ? otherShape(source, tensor) : null;
    if (!tensor || why) {
      const { offset, length: bytes, name } = source;
      const end = offset + bytes;
      for (let at = offset; at < end; at += STEP_BYTES) {
        onBytes(await read(at, Math.min(end, at + STEP_BYTES)));
      }
      const note = why ?? 'no tensor of the model: scales, buffers, or a head that is tied';
      yield { kind: 'tensor', result: { name, state: why ? 'differs' : 'unused', note, bytes } };
      continue;
    }
    const scales = await scalesOf(tensor, found, read);
    const here = { ...tensor, source: { ...tensor.source, offset: source.offset } };
    const result = await rerun(here, read, { scales, onBytes });
    yield { kind: 'tensor', result };
  }
  const sha256 = whole.digest();
  const recorded = recordedFile(file, sha256, files);
  const names = new Set(found.map(({ name }) => name));
  yield {
    kind: 'file',
    sha256: toHex(sha256),
    recorded: recorded && { ...recorded, sha256: toHex(recorded.sha256) },
    missing: tensors
      .filter(
        ({ source, name }) =>
          recorded && equalBytes(source.file, recorded.sha256) && !names.has(name),
      )
      .map(({ name }) => name),
    ms: performance.now() - began,
  };
}

async function rerun(
  tensor: TensorDescriptor,
  read: (start: number, end: number) => Promise<Uint8Array>,
  options: { scales: Scales | null; onBytes: (bytes: Uint8Array) => void },
): Promise<TensorResult> {
  const { name, source } = tensor;
  const again = await runAgain(tensor, read, options);
  const note = again.ok ? again.reason : differenceOf(again);
  return { ...again, name, state: again.ok ? 'same' : 'differs', note, bytes: source.length };
}

function differenceOf({
  source,
  stored,
}: Pick<Required<TensorResult>, 'source' | 'stored'>): string {
  if (source.expected !== source.actual) return 'its bytes are not those that were imported';
  return stored ? 'the recipe makes other bytes of it than those on the chain' : 'it differs';
}

function otherShape(
  found: SourceTensor,
  { shape, dtype, source }: TensorDescriptor,
): string | null {
  if (found.shape.join() !== shape.join()) {
    return `its shape is [${found.shape.join(', ')}], not [${shape.join(', ')}]`;
  }
  if (dtypeOf(found) !== dtype || found.length !== source.length) {
    return `its type is ${found.dtype}, not ${dtype}`;
  }
  return null;
}

/** Null for a type that is never imported. */
function dtypeOf(tensor: SourceTensor): SourceDtype | null {
  try {
    return sourceDtype('', tensor);
  } catch {
    return null;
  }
}

/** Scales of an fp8 tensor, when they are in the same file. */
async function scalesOf(
  { source: { file, scales } }: TensorDescriptor,
  found: readonly SourceTensor[],
  read: (start: number, end: number) => Promise<Uint8Array>,
): Promise<Scales | null> {
  if (!scales || !equalBytes(scales.file, file)) return null;
  const entry = found.find(
    ({ offset, length }) => offset === scales.offset && length === scales.length,
  );
  const dtype = entry && dtypeOf(entry);
  if (!dtype || dtype === 'fp8') return null;
  return { dtype, bytes: await read(scales.offset, scales.offset + scales.length) };
}

function recordedFile(
  file: LocalFile,
  sha256: Uint8Array,
  files: readonly FileRef[],
): FileRef | null {
  return (
    files.find((entry) => equalBytes(entry.sha256, sha256)) ??
    files.find(({ path }) => path.split('/').at(-1) === file.name) ??
    files.find(
      ({ byteLength, path }) => byteLength === file.size && path.endsWith('.safetensors'),
    ) ??
    null
  );
}
