/**
 * Token ids into text that is certain: whole characters only, nothing that may turn out to be the
 * beginning of a stop string, nothing behind one. The thinking part is split off by its token ids,
 * and stop strings do not look into it.
 */
export interface Detokenizer {
  /** Whole characters that became certain. */
  push(ids: number[]): string;
  /** What was held back. */
  flush(): string;
}

/** Ids of the tokens around the thinking part. */
export interface ThinkingTokens {
  open: number;
  close: number;
}

export interface AnswerTextOptions {
  detokenizer: Detokenizer;
  stops: readonly string[];
  /** Null for a model that has none. */
  thinking: ThinkingTokens | null;
  /** Whether the prompt ends inside of an opened thinking part. */
  inThinking: boolean;
}

/** Postgres has no U+0000 in its texts, and a byte-level model may well generate one. */
const withoutNul = (text: string): string => text.replaceAll('\0', '\ufffd');

export class AnswerText {
  readonly #detokenizer: Detokenizer;
  readonly #stops: readonly string[];
  #held = '';
  #ready = '';
  #stopped = false;
  readonly #tokens: ThinkingTokens | null;
  #inThinking: boolean;
  #thinking = '';

  constructor({ detokenizer, stops, thinking, inThinking }: AnswerTextOptions) {
    this.#detokenizer = detokenizer;
    this.#stops = stops.filter((stop) => stop.length > 0);
    this.#tokens = thinking;
    this.#inThinking = inThinking;
  }

  /** Whether a stop string was found; text behind its beginning is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  push(id: number): void {
    if (this.#stopped) return;
    const turns = id === (this.#inThinking ? this.#tokens?.close : this.#tokens?.open);
    // No character reaches from one part into the other.
    this.#add(turns ? this.#detokenizer.flush() : this.#detokenizer.push([id]));
    if (turns) this.#inThinking = !this.#inThinking;
  }

  /** Text that became certain since the last call. */
  take(): string {
    const text = this.#ready;
    this.#ready = '';
    return text;
  }

  /** The same, of the thinking part. */
  takeThinking(): string {
    const thinking = this.#thinking;
    this.#thinking = '';
    return thinking;
  }

  /** The rest of the text, at the end of the answer. An answer that ends while it thinks has none. */
  flush(): string {
    if (!this.#stopped) this.#add(this.#detokenizer.flush());
    this.#ready += this.#held;
    this.#held = '';
    return this.take();
  }

  #add(certain: string): void {
    if (certain === '') return;
    const text = withoutNul(certain);
    if (this.#inThinking) {
      this.#thinking += text;
      return;
    }
    const all = this.#held + text;
    let cut = -1;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (cut < 0 || at < cut)) cut = at;
    }
    if (cut >= 0) {
      this.#stopped = true;
      this.#ready += all.slice(0, cut);
      this.#held = '';
      return;
    }
    const keep = this.#suspect(all);
    this.#ready += all.slice(0, all.length - keep);
    this.#held = all.slice(all.length - keep);
  }

  /** Length of the longest end of the text with which a stop string begins. */
  #suspect(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
        if (text.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
