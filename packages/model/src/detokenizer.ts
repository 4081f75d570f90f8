/**
 * Token ids to text as they arrive. A character that is cut by a token boundary waits for its rest,
 * a whole one never waits; bytes that can't become a character are U+FFFD. Linear in the ids, and
 * equal to decoding everything at once however the ids are cut into pushes. Where the vocabulary has
 * a space before the first word, the text is without it, if that is what the decoder says.
 */
import type { TokenTable } from './token-table.ts';

export interface DetokenizerOptions {
  /** Writes special tokens (end of turn and the like) out as text. */
  special?: boolean;
}

export class StreamingDetokenizer {
  readonly #tokens: TokenTable;
  readonly #special: boolean;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  /** The last bytes since the last flush, at most 3. */
  #tail: number[] = [];
  /** Whether a space that comes next is the answer's first character, and is left out. */
  #strips: boolean;

  /** `tokens`: a Tokenizer, or the table alone. */
  constructor(tokens: TokenTable, options: DetokenizerOptions = {}) {
    this.#tokens = tokens;
    this.#special = options.special ?? false;
    this.#strips = tokens.stripsSpace ?? false;
  }

  /** The characters that became certain. Ids without a token (padding rows) have no text. */
  push(ids: readonly number[]): string {
    let text = '';
    for (const id of ids) {
      const bytes = this.#tokens.bytes(id);
      if (bytes !== undefined) {
        text += this.#begin(this.#utf8.decode(bytes, { stream: true }));
        this.#tail = [...this.#tail, ...bytes.subarray(-3)].slice(-3);
        continue;
      }
      const added = this.#tokens.added(id);
      // What is left out is not there: the bytes before and behind it may be one character.
      if (!added || (added.special && !this.#special)) continue;
      // Added tokens are text of their own: no character reaches across them.
      text += this.flush() + this.#begin(added.content);
    }
    return text;
  }

  /**
   * What was held back: an unfinished character, as U+FFFD. The next push starts anew, but not at
   * the beginning of the answer.
   */
  flush(): string {
    this.#tail = [];
    return this.#begin(this.#utf8.decode());
  }

  /** Text without the space that an answer begins with, if this is its beginning. */
  #begin(text: string): string {
    if (!this.#strips || text === '') return text;
    this.#strips = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  }

  /** Whether bytes are held back that may yet become a character. */
  get pending(): boolean {
    return endsInside(this.#tail);
  }
}

/**
 * Whether bytes end inside of a UTF-8 sequence, as decoders have it that replace what is malformed
 * (WHATWG Encoding, 8.1.1): the second byte's range depends on the first.
 */
function endsInside(tail: readonly number[]): boolean {
  const at = tail.findLastIndex((byte) => (byte & 0xc0) !== 0x80);
  const [first = 0, second] = tail.slice(Math.max(at, 0));
  const length = first >= 0xf5 || first < 0xc2 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (at < 0 || tail.length - at >= length) return false;
  if (second === undefined) return true;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most;
}
