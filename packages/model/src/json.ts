/**
 * JSON of a hostile file: bounded depth, no key twice in one object (JSON.parse keeps the last one
 * silently, so two readers could see two different files), UTF-8 only.
 */
import { ModelError } from './errors.ts';

interface Options {
  /** For messages. */
  path: string;
  /** Nesting of objects and arrays; JSON.parse recurses. */
  maxDepth: number;
}

export function parseJson(bytes: Uint8Array, options: Options): unknown {
  const { path } = options;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ModelError('JSON_INVALID', { path }, `${path}: not UTF-8.`, error);
  }
  checkStructure(text, options);
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message.slice(0, 200);
    throw new ModelError('JSON_INVALID', { path, reason }, `${path}: not JSON: ${reason}`, error);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** One linear scan. Malformed text may pass here: JSON.parse refuses it afterwards. */
function checkStructure(text: string, { path, maxDepth }: Options): void {
  /** Keys of each open object; null for an array. */
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const start = i;
        for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++) {
          if (text.charCodeAt(i) === BACKSLASH) i++;
        }
        const keys = open.at(-1);
        if (keys && isKey(text, i + 1)) addKey(keys, text.slice(start, i + 1), path);
        break;
      }
      case 0x7b: // {
      case 0x5b: // [
        if (open.length >= maxDepth) {
          const message = `${path}: nested deeper than ${maxDepth} levels.`;
          throw new ModelError('JSON_TOO_DEEP', { path, maxDepth }, message);
        }
        open.push(text.charCodeAt(i) === 0x7b ? new Set() : null);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        break;
    }
  }
}

function isKey(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === COLON) return true;
    if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) return false;
  }
  return false;
}

function addKey(keys: Set<string>, literal: string, path: string): void {
  let key: unknown = literal;
  try {
    // Two spellings of one key ("a", "\u0061") are the same key.
    key = literal.includes('\\') ? JSON.parse(literal) : literal.slice(1, -1);
  } catch {
    return; // a malformed literal: JSON.parse of the whole refuses it
  }
  if (keys.has(key as string)) {
    const name = (key as string).slice(0, 200);
    throw new ModelError(
      'JSON_DUPLICATE_KEY',
      { path, key: name },
      `${path}: "${name}" occurs twice.`,
    );
  }
  keys.add(key as string);
}
