/** A safetensors file against what a model records: the whole by its hash, each tensor by its roots. */
import { equalBytes, toHex } from '@blyan/chain/hex';
import { createSha256 } from '@blyan/chain/sha256';
import type { FileRef, TensorDescriptor } from '@blyan/chain/types';
import { FP8_BLOCK, type SourceDtype, scalesName } from '@blyan/model/formats/layout';
import { type Rerun, runAgain, type Scales } from '@blyan/model/formats/run-again';
import {
  headerLength,
  PREFIX_BYTES,
  parseHeader,
  SCALE_DTYPES,
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
    const scales = tensor ? await scalesOf(tensor, found, read) : null;
    const why = tensor && (otherShape(source, tensor) ?? scales?.problem ?? null);
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
    const here = { ...tensor, source: { ...tensor.source, offset: source.offset } };
    const again = await runAgain(here, read, { scales: scales?.found ?? null, onBytes });
    yield { kind: 'tensor', result: resultOf(tensor, again) };
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

function resultOf(
  { name, source: { length: bytes } }: TensorDescriptor,
  again: Rerun,
): TensorResult {
  const { stored, reason, refused, ok } = again;
  if (refused !== null) {
    const recorded = [again.source, again.scales].every((two) => two?.expected === two?.actual);
    const yet = recorded
      ? ' Yet its bytes are the recorded ones: the block was not made of them.'
      : '';
    const note = refused + yet;
    return { ...again, name, state: 'refused', note, bytes };
  }
  if (!ok) return { ...again, name, state: 'differs', note: differenceOf(again), bytes };
  return { ...again, name, state: stored ? 'same' : 'partly', note: reason, bytes };
}

function differenceOf({ source, scales }: Rerun): string {
  if (source.expected !== source.actual) return 'its bytes are not those that were imported';
  if (scales && scales.expected !== scales.actual) {
    return 'its scales are not those that were imported';
  }
  return 'the recipe makes other bytes of it than those on the chain';
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

/**
 * Scales of an fp8 tensor in this file: by their name, since whoever wrote it may have put them elsewhere.
 * `problem`: they are of a form that no import takes.
 */
async function scalesOf(
  { name, shape, source: { file, scales } }: TensorDescriptor,
  found: readonly SourceTensor[],
  read: (start: number, end: number) => Promise<Uint8Array>,
): Promise<{ found: Scales; problem?: undefined } | { found?: undefined; problem: string } | null> {
  if (!scales) return null;
  const entry =
    found.find((tensor) => tensor.name === scalesName(name)) ??
    found.find(
      ({ offset, length }) =>
        equalBytes(scales.file, file) && offset === scales.offset && length === scales.length,
    );
  if (!entry) return null;
  const dtype = SCALE_DTYPES[entry.dtype];
  const wanted = shape.map((size) => Math.ceil(size / FP8_BLOCK)).join(', ');
  if (!dtype || entry.shape.join(', ') !== wanted) {
    const here = `${entry.dtype} [${entry.shape.join(', ')}]`;
    return { problem: `its scales ${entry.name} are ${here}, not F32 or BF16 [${wanted}]` };
  }
  return { found: { dtype, bytes: await read(entry.offset, entry.offset + entry.length) } };
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
