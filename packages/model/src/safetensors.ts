/**
 * Headers of safetensors files, as hostile input. A file is 8 bytes little-endian header length, a JSON
 * header, then the data of all tensors without holes. Everything is checked before any of it is used.
 * Format: https://huggingface.co/docs/safetensors
 */
import { ModelError } from './errors.ts';
import type { SourceDtype } from './formats/layout.ts';
import { parseJson } from './json.ts';

/** Bytes before the header. */
export const PREFIX_BYTES = 8;
/** About 100 bytes a tensor and the largest shards list some thousands: 160 times that. */
export const MAX_HEADER_BYTES = 16 * 1024 * 1024;
/** Tensors of one file; the largest dense checkpoints have about 1500 in all. */
export const MAX_TENSORS = 65_536;
/** Tensor > field > number is 3 deep. */
const MAX_DEPTH = 4;
/** Weights have one or two dimensions; the chain allows 8. */
const MAX_RANK = 8;
/** As in a block's tensor descriptor. */
const MAX_NAME = 256;

/** Bytes of one element, for all types of the format. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
  C64: 8,
};

const SUPPORTED: Readonly<Record<string, SourceDtype>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  F8_E4M3: 'fp8',
};

/** Types of the scales of an fp8 tensor. */
export const SCALE_DTYPES: Readonly<Record<string, 'f32' | 'bf16'>> = { F32: 'f32', BF16: 'bf16' };

export interface SourceTensor {
  name: string;
  /** As in the header, e.g. `BF16`; `sourceDtype` says whether it can be imported. */
  dtype: string;
  shape: number[];
  /** Of the first byte, from the start of the file. */
  offset: number;
  length: number;
}

/**
 * Header length from a file's first 8 bytes.
 * @throws ModelError HEADER_TRUNCATED, HEADER_TOO_LARGE
 */
export function headerLength(path: string, prefix: Uint8Array, fileBytes: number): number {
  if (prefix.byteLength < PREFIX_BYTES || fileBytes < PREFIX_BYTES) {
    throw new ModelError(
      'HEADER_TRUNCATED',
      { path, fileBytes },
      `${path}: ${fileBytes} bytes are too few for a safetensors file.`,
    );
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new ModelError(
      'HEADER_TOO_LARGE',
      { path, headerBytes: length.toString(), max: MAX_HEADER_BYTES },
      `${path}: its header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read. This is not a safetensors file, or a hostile one.`,
    );
  }
  if (Number(length) > fileBytes - PREFIX_BYTES) {
    throw new ModelError(
      'HEADER_TRUNCATED',
      { path, headerBytes: Number(length), fileBytes },
      `${path}: its header should have ${length} bytes, but the file ends after ${fileBytes}.`,
    );
  }
  return Number(length);
}

/**
 * @param header the header's bytes, without the prefix
 * @param fileBytes size of the whole file
 * @returns the tensors in file order
 */
export function parseHeader(path: string, header: Uint8Array, fileBytes: number): SourceTensor[] {
  const json = parseJson(header, { path: `${path} (header)`, maxDepth: MAX_DEPTH });
  if (header[0] !== 0x7b || !isObject(json)) {
    throw new ModelError('HEADER_INVALID', { path }, `${path}: its header is not a JSON object.`);
  }
  const entries = Object.entries(json).filter(([name]) => name !== '__metadata__');
  if (entries.length > MAX_TENSORS) {
    throw new ModelError(
      'TENSOR_TOO_MANY',
      { path, tensors: entries.length, max: MAX_TENSORS },
      `${path}: lists ${entries.length} tensors; at most ${MAX_TENSORS} are read.`,
    );
  }
  checkMetadata(path, json.__metadata__);
  const start = PREFIX_BYTES + header.byteLength;
  const tensors = entries.map(([name, entry]) => parseTensor(path, name, entry, start));
  // Equal offsets: the shorter one first, so that an empty range is not mistaken for an overlap.
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  checkLayout(path, tensors, start, fileBytes);
  return tensors;
}

/** @throws ModelError DTYPE_UNSUPPORTED, naming type and tensor */
export function sourceDtype(path: string, tensor: SourceTensor): SourceDtype {
  const dtype = SUPPORTED[tensor.dtype];
  if (dtype !== undefined) return dtype;
  throw new ModelError(
    'DTYPE_UNSUPPORTED',
    { path, tensor: tensor.name, dtype: tensor.dtype, supported: Object.keys(SUPPORTED) },
    `${path}: ${tensor.name} is ${tensor.dtype}; only ${Object.keys(SUPPORTED).join(', ')} can be imported.`,
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSize = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function checkMetadata(path: string, metadata: unknown): void {
  if (metadata === undefined) return;
  if (isObject(metadata) && Object.values(metadata).every((v) => typeof v === 'string')) return;
  throw new ModelError(
    'HEADER_INVALID',
    { path },
    `${path}: __metadata__ of its header is not a map from text to text.`,
  );
}

function parseTensor(path: string, name: string, entry: unknown, start: number): SourceTensor {
  const label = JSON.stringify(name.slice(0, 100));
  const malformed = (why: string) =>
    new ModelError(
      'TENSOR_MALFORMED',
      { path, tensor: name.slice(0, 100), why },
      `${path}: tensor ${label}: ${why}.`,
    );
  if (name.length === 0 || name.length > MAX_NAME || /\p{Cc}/u.test(name)) {
    throw malformed(`its name is not 1 to ${MAX_NAME} printable characters`);
  }
  if (!isObject(entry)) throw malformed('its entry is not an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  const extra = Object.keys(entry).find((k) => !['dtype', 'shape', 'data_offsets'].includes(k));
  if (extra !== undefined) throw malformed(`unknown field "${extra.slice(0, 100)}"`);
  const size =
    typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : 0;
  if (typeof dtype !== 'string' || !size) {
    const shown = JSON.stringify(dtype)?.slice(0, 60);
    throw new ModelError(
      'DTYPE_UNKNOWN',
      { path, tensor: name, dtype: shown },
      `${path}: tensor ${label} has the unknown type ${shown}.`,
    );
  }
  if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(isSize)) {
    throw malformed(`its shape is not a list of at most ${MAX_RANK} sizes`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw malformed('its data_offsets are not two offsets');
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw malformed(`its data ends (${end}) before it begins (${begin})`);
  const expected = shape.reduce((a: number, b: number) => a * b, size);
  if (expected === 0) {
    throw new ModelError(
      'TENSOR_EMPTY',
      { path, tensor: name },
      `${path}: tensor ${label} is empty.`,
    );
  }
  if (!Number.isSafeInteger(expected) || expected !== end - begin) {
    throw new ModelError(
      'TENSOR_LENGTH_MISMATCH',
      { path, tensor: name, dtype, shape, expected, found: end - begin },
      `${path}: tensor ${label} of type ${dtype} and shape [${shape.join(', ')}] needs ${expected} bytes; its offsets span ${end - begin}.`,
    );
  }
  return { name, dtype, shape: [...shape], offset: start + begin, length: end - begin };
}

/** The tensors must tile the data exactly: a hole could hide bytes that no hash of a tensor covers. */
function checkLayout(
  path: string,
  tensors: SourceTensor[],
  start: number,
  fileBytes: number,
): void {
  let end = start;
  let previous = 'the header';
  for (const { name, offset, length } of tensors) {
    const details = { path, tensor: name, offset, previous };
    if (offset < end) {
      throw new ModelError('TENSOR_OVERLAP', details, `${path}: ${name} overlaps ${previous}.`);
    }
    if (offset > end && offset >= fileBytes) {
      const message = `${path}: ${name} begins at byte ${offset}, behind the end of the file (${fileBytes}).`;
      throw new ModelError('TENSOR_OUT_OF_FILE', { ...details, fileBytes }, message);
    }
    if (offset > end) {
      const message = `${path}: ${offset - end} bytes between ${previous} and ${name} belong to no tensor.`;
      throw new ModelError('TENSOR_HOLE', { ...details, bytes: offset - end }, message);
    }
    end = offset + length;
    previous = name;
  }
  if (end > fileBytes) {
    throw new ModelError(
      'FILE_TRUNCATED',
      { path, expected: end, found: fileBytes },
      `${path}: the file has ${fileBytes} bytes, its header describes ${end}. Download it again.`,
    );
  }
  if (end < fileBytes) {
    throw new ModelError(
      'TRAILING_BYTES',
      { path, expected: end, found: fileBytes },
      `${path}: ${fileBytes - end} bytes at the end belong to no tensor.`,
    );
  }
}
