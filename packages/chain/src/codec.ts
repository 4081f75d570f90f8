/**
 * Deterministic DAG-CBOR, cut down to what the specification needs: integers of up to 53 bits, byte
 * strings, text, arrays, maps with text keys, booleans and null.
 * Spec: https://ipld.io/specs/codecs/dag-cbor/spec/ on RFC 8949.
 *
 * Written out instead of taken from `@ipld/dag-cbor`, which the tests compare it with: a reader of
 * hostile bytes wants a bound on depth, no floats, no tags, no prototype keys and an error that
 * names the offset. One value has one encoding: the reader refuses every other one.
 */
import { ChainError } from './errors.ts';
import { MAX_DEPTH } from './limits.ts';

export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

// Major types, RFC 8949 section 3.1.
const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;

const utf8 = new TextEncoder();
// ignoreBOM keeps a leading U+FEFF as a character; dropping it would make two encodings equal.
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws TypeError for what has no place in a hashed structure: floats, undefined, lone surrogates. */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  write(parts, value, 0);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function write(parts: Uint8Array[], value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new TypeError(`deeper than ${MAX_DEPTH} levels`);
  if (value === null) parts.push(Uint8Array.of(NULL));
  else if (value === true) parts.push(Uint8Array.of(TRUE));
  else if (value === false) parts.push(Uint8Array.of(FALSE));
  else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new TypeError(`not an integer of up to 53 bits: ${value}`);
    }
    parts.push(value < 0 ? head(NEGATIVE, -1 - value) : head(UINT, value));
  } else if (typeof value === 'string') {
    const bytes = encodeText(value);
    parts.push(head(TEXT, bytes.length), bytes);
  } else if (value instanceof Uint8Array) parts.push(head(BYTES, value.length), value);
  else if (Array.isArray(value)) {
    parts.push(head(ARRAY, value.length));
    for (const item of value) write(parts, item, depth + 1);
  } else if (typeof value === 'object' && isPlain(value)) {
    const entries = Object.entries(value)
      .map(([key, item]) => ({ key: encodeText(key), item: item as unknown }))
      .sort((a, b) => compareKeys(a.key, b.key));
    parts.push(head(MAP, entries.length));
    for (const { key, item } of entries) {
      parts.push(head(TEXT, key.length), key);
      write(parts, item, depth + 1);
    }
  } else throw new TypeError(`cannot be encoded: ${typeof value}`);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function encodeText(value: string): Uint8Array {
  if (/\p{Surrogate}/u.test(value)) throw new TypeError('text with a lone surrogate');
  return utf8.encode(value);
}

/** DAG-CBOR's order: shorter keys first, then bytewise. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

/** Initial byte and argument, in the shortest form. */
function head(major: number, argument: number): Uint8Array {
  const top = major << 5;
  if (argument < 24) return Uint8Array.of(top | argument);
  if (argument < 0x100) return Uint8Array.of(top | 24, argument);
  const bytes = new Uint8Array(argument < 0x10000 ? 3 : argument < 0x100000000 ? 5 : 9);
  const view = new DataView(bytes.buffer);
  bytes[0] = top | (bytes.length === 3 ? 25 : bytes.length === 5 ? 26 : 27);
  if (bytes.length === 3) view.setUint16(1, argument);
  else if (bytes.length === 5) view.setUint32(1, argument);
  else {
    view.setUint32(1, Math.floor(argument / 0x100000000));
    view.setUint32(5, argument % 0x100000000);
  }
  return bytes;
}

/**
 * The one value that `bytes` encode. Byte strings are copies. Maps have no prototype.
 * @throws ChainError CODEC_INVALID for longer input than `maxBytes` and for every other form.
 */
export function decode(bytes: Uint8Array, maxBytes: number): Value {
  if (bytes.length > maxBytes) fail(`${bytes.length} bytes, the bound is ${maxBytes}`, 0);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.offset !== bytes.length) fail('bytes behind the value', reader.offset);
  return value;
}

function fail(reason: string, offset: number): never {
  throw new ChainError('CODEC_INVALID', { reason, offset });
}

class Reader {
  offset = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): Value {
    if (depth > MAX_DEPTH) fail(`deeper than ${MAX_DEPTH} levels`, this.offset);
    const start = this.offset;
    const initial = this.#bytes[start];
    if (initial === undefined) return fail('ends in the middle of a value', start);
    if (initial === NULL || initial === TRUE || initial === FALSE) {
      this.offset++;
      return initial === NULL ? null : initial === TRUE;
    }
    const major = initial >> 5;
    if (major > MAP) fail(major === 6 ? 'a tag' : 'a float or simple value', start);
    const argument = this.#argument();
    if (major === UINT) return argument;
    if (major === NEGATIVE) {
      const value = -1 - argument;
      return Number.isSafeInteger(value) ? value : fail('an integer of more than 53 bits', start);
    }
    if (major === BYTES) return new Uint8Array(this.#take(argument));
    if (major === TEXT) return this.#text(argument);
    // Each item takes a byte or more, so a lying count is refused before anything is allocated.
    if (argument > this.#bytes.length - this.offset) fail('more items than bytes', start);
    return major === ARRAY ? this.#array(argument, depth) : this.#map(argument, depth);
  }

  /** RFC 8949 section 4.2.1: the shortest form only; 31 would be an indefinite length. */
  #argument(): number {
    const start = this.offset;
    const info = this.#bytes[this.offset++]! & 31;
    if (info < 24) return info;
    if (info > 27) fail(info === 31 ? 'an indefinite length' : 'a reserved length', start);
    const width = 1 << (info - 24);
    if (this.offset + width > this.#bytes.length) fail('ends in the middle of a value', start);
    let argument = 0;
    for (let i = 0; i < width; i += 1)
      argument = argument * 256 + this.#view.getUint8(this.offset++);
    if (argument > Number.MAX_SAFE_INTEGER) fail('an integer of more than 53 bits', start);
    const least = width === 1 ? 24 : 2 ** (4 * width);
    if (argument < least) fail('not the shortest form', start);
    return argument;
  }

  #take(length: number): Uint8Array {
    const end = this.offset + length;
    if (end > this.#bytes.length) fail('ends in the middle of a string', this.offset);
    const part = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return part;
  }

  #text(length: number): string {
    const start = this.offset;
    try {
      return text.decode(this.#take(length));
    } catch (cause) {
      if (cause instanceof ChainError) throw cause;
      return fail('text that is not UTF-8', start);
    }
  }

  #array(count: number, depth: number): Value[] {
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): { [key: string]: Value } {
    const map: { [key: string]: Value } = Object.create(null);
    let previous: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const start = this.offset;
      if (start >= this.#bytes.length) fail('ends in the middle of a map', start);
      if (this.#bytes[start]! >> 5 !== TEXT) fail('a map key that is not text', start);
      const length = this.#argument();
      const from = this.offset;
      const key = this.#text(length);
      const raw = this.#bytes.subarray(from, this.offset);
      if (previous && compareKeys(previous, raw) >= 0)
        fail('map keys out of order or twice', start);
      previous = raw;
      map[key] = this.value(depth + 1);
    }
    return map;
  }
}
