/** Where each value of canonical bytes lies: for a page that shows the bytes with their fields marked. */
import { decode, type Value } from './codec.ts';

export interface Span {
  /** Keys and indexes from the outermost value, e.g. `['tensors', 0, 'root']`. */
  path: (string | number)[];
  /** `key`: the text of a map's key, with its head; `head`: the first bytes of a map or an array. */
  kind: 'value' | 'key' | 'head';
  /** First byte, and the one behind the last. */
  start: number;
  end: number;
  /** What it says: the value, the key, or the number of entries. */
  value: Value;
}

/**
 * Spans in the order of the bytes, without gaps: keys, heads, and values that hold no others.
 * @throws ChainError CODEC_INVALID as `decode`
 */
export function spansOf(bytes: Uint8Array, maxBytes: number): Span[] {
  const spans: Span[] = [];
  const end = walk(bytes, decode(bytes, maxBytes), 0, [], spans);
  if (end !== bytes.length) throw new RangeError('spans and value differ');
  return spans;
}

/** Bytes of an initial byte with its argument: RFC 8949, section 3. */
function headLength(initial: number): number {
  const info = initial & 31;
  // True, false and null are initial bytes alone, and so are arguments below 24.
  return info < 24 || initial >> 5 === 7 ? 1 : 1 + (1 << (info - 24));
}

const utf8 = new TextEncoder();

/** Returns where the value ends. */
function walk(
  bytes: Uint8Array,
  value: Value,
  start: number,
  path: Span['path'],
  spans: Span[],
): number {
  let at = start + headLength(bytes[start]!);
  if (Array.isArray(value)) {
    spans.push({ path, kind: 'head', start, end: at, value: value.length });
    value.forEach((item: Value, i) => {
      at = walk(bytes, item, at, [...path, i], spans);
    });
    return at;
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    // Decoded in the order of the bytes; integer-like keys would be moved, so they are sorted again.
    const entries = Object.entries(value as { [key: string]: Value }).sort(([a], [b]) =>
      compare(utf8.encode(a), utf8.encode(b)),
    );
    spans.push({ path, kind: 'head', start, end: at, value: entries.length });
    for (const [key, item] of entries) {
      const behind = at + headLength(bytes[at]!) + utf8.encode(key).length;
      spans.push({ path: [...path, key], kind: 'key', start: at, end: behind, value: key });
      at = walk(bytes, item, behind, [...path, key], spans);
    }
    return at;
  }
  if (typeof value === 'string') at += utf8.encode(value).length;
  if (value instanceof Uint8Array) at += value.length;
  spans.push({ path, kind: 'value', start, end: at, value });
  return at;
}

/** DAG-CBOR's order of keys. */
function compare(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  const i = a.findIndex((byte, at) => byte !== b[at]);
  return i < 0 ? 0 : a[i]! - b[i]!;
}
