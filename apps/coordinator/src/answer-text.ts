/**
 * Token ids into text that is certain: whole characters only, nothing that may turn out to be the
 * beginning of a stop string, nothing behind one.
 */
export interface Detokenizer {
  /** Whole characters that became certain. */
  push(ids: number[]): string;
  /** What was held back. */
  flush(): string;
}

export class AnswerText {
  readonly #detokenizer: Detokenizer;
  readonly #stops: readonly string[];
  #held = '';
  #ready = '';
  #stopped = false;

  constructor(detokenizer: Detokenizer, stops: readonly string[]) {
    this.#detokenizer = detokenizer;
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** Whether a stop string was found; text behind its beginning is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  push(id: number): void {
    if (!this.#stopped) this.#add(this.#detokenizer.push([id]));
  }

  /** Text that became certain since the last call. */
  take(): string {
    const text = this.#ready;
    this.#ready = '';
    return text;
  }

  /** The rest, at the end of the answer. */
  flush(): string {
    if (!this.#stopped) this.#add(this.#detokenizer.flush());
    this.#ready += this.#held;
    this.#held = '';
    return this.take();
  }

  #add(text: string): void {
    if (text === '') return;
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
