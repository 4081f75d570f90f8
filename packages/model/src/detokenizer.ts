/**
 * Token ids to text as they arrive. A character that is cut by a token boundary waits for its rest,
 * a whole one never waits; bytes that can't become a character are U+FFFD. Linear in the ids, and
 * equal to decoding everything at once however the ids are cut into pushes.
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

  /** `tokens`: a Tokenizer, or the table alone. */
  constructor(tokens: TokenTable, options: DetokenizerOptions = {}) {
    this.#tokens = tokens;
    this.#special = options.special ?? false;
  }

  /** The characters that became certain. Ids without a token (padding rows) have no text. */
  push(ids: readonly number[]): string {
    let text = '';
    for (const id of ids) {
      const bytes = this.#tokens.bytes(id);
      if (bytes !== undefined) {
        text += this.#utf8.decode(bytes, { stream: true });
        continue;
      }
      // Added tokens are text of their own: no character reaches across them.
      const added = this.#tokens.added(id);
      if (added) text += this.flush() + (added.special && !this.#special ? '' : added.content);
    }
    return text;
  }

  /** What was held back: an unfinished character, as U+FFFD. The next push starts anew. */
  flush(): string {
    return this.#utf8.decode();
  }
}
