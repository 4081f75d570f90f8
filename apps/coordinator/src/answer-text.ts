/**
 * Token ids into text that is certain: whole characters only, nothing that may turn out to be the
 * beginning of a stop string, nothing behind one. The thinking part is split off by its token ids,
 * and stop strings do not look into it.
 *
 * It also says which tokens are out: those of which every character is. So what is told of a token
 * beside its text never tells of text that is held back or cut.
 */
export interface Detokenizer {
  /** Whole characters that became certain. */
  push(ids: number[]): string;
  /** What was held back. */
  flush(): string;
  /** Whether a character is unfinished. */
  readonly pending: boolean;
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
  /** Characters of the text that became certain, with those that are held; and without them. */
  #length = 0;
  #out = 0;
  /** Tokens of the text that are not out, each with the length of the text up to its end. */
  readonly #open: { position: number; end: number }[] = [];
  #shown: number[] = [];

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

  /** @param position of the token in the answer */
  push(id: number, position: number): void {
    if (this.#stopped) return;
    const turns = id === (this.#inThinking ? this.#tokens?.close : this.#tokens?.open);
    // No character reaches from one part into the other.
    const text = turns ? this.#detokenizer.flush() : this.#detokenizer.push([id]);
    if (!turns && !this.#inThinking) {
      const unfinished = this.#detokenizer.pending ? 1 : 0;
      this.#open.push({ position, end: this.#length + text.length + unfinished });
    }
    this.#add(text);
    if (turns) this.#inThinking = !this.#inThinking;
  }

  /**
   * Tokens that were told before, when the answer was cut: a character that was cut with it gets
   * whole, and a space is not taken for the answer's first character. Call before any `push`.
   */
  goOnBehind(ids: readonly number[]): void {
    for (const id of ids) {
      if (id === this.#tokens?.open || id === this.#tokens?.close) this.#detokenizer.flush();
      else this.#detokenizer.push([id]);
    }
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

  /** Positions of tokens whose text became certain since the last call, in order. */
  takeShown(): number[] {
    const shown = this.#shown;
    this.#shown = [];
    return shown;
  }

  /** The rest of the text, at the end of the answer. An answer that ends while it thinks has none. */
  flush(): string {
    if (!this.#stopped) this.#add(this.#detokenizer.flush());
    this.#release(this.#held);
    this.#held = '';
    return this.take();
  }

  #add(certain: string): void {
    const text = withoutNul(certain);
    if (this.#inThinking) {
      this.#thinking += text;
      return;
    }
    this.#length += text.length;
    const all = this.#held + text;
    let cut = -1;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (cut < 0 || at < cut)) cut = at;
    }
    if (cut >= 0) {
      this.#stopped = true;
      this.#release(all.slice(0, cut));
      this.#held = '';
      this.#open.length = 0;
      return;
    }
    const keep = this.#suspect(all);
    this.#release(all.slice(0, all.length - keep));
    this.#held = all.slice(all.length - keep);
  }

  #release(text: string): void {
    this.#ready += text;
    this.#out += text.length;
    while (this.#open[0] && this.#open[0].end <= this.#out) {
      this.#shown.push(this.#open.shift()!.position);
    }
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
