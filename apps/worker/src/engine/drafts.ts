/**
 * Prompt lookup: what followed the last time that the sequence ended in these tokens is a guess at what
 * follows now (as in "Prompt Lookup Decoding", Saxena 2023). One run checks the whole guess; nothing
 * but speed depends on it, so it is measured, and left alone for a while where it does not pay.
 */

/** Lengths of the endings that are looked up, the longest first: a longer one is a better guess. */
const LENGTHS = [4, 3, 2] as const;
const MIN_DRAFT = 2;
const MAX_DRAFT = 7;
/** Runs without a draft, after drafts were slower than none; doubled each time that they are again. */
const FIRST_PAUSE = 16;
const MAX_PAUSE = 512;
/** Weight of the newest run in the averages. */
const NEWEST = 0.25;

export class Drafts {
  /** Ending of each length -> position behind it. A hash: a collision is only a bad guess. */
  readonly #ends = LENGTHS.map(() => new Map<number, number>());
  #indexed = 0;
  #length = MIN_DRAFT;
  #pause = FIRST_PAUSE;
  #resting = 0;
  /** Milliseconds per token; null before the first run. Without the first of them nothing can be said to pay. */
  #plain: number | null = null;
  #drafted: number | null = null;

  /**
   * A guess at the tokens behind `tokens`, which only ever grows; empty when there is none, it rests, or no
   * plain run has said yet what a token costs without.
   */
  propose(tokens: readonly number[], room: number): number[] {
    this.#index(tokens);
    if (this.#plain === null || this.#resting > 0) return [];
    for (const [i, length] of LENGTHS.entries()) {
      if (tokens.length < length) continue;
      const from = this.#ends[i]!.get(hash(tokens, tokens.length, length));
      if (from === undefined) continue;
      return tokens.slice(from, from + Math.min(this.#length, room));
    }
    return [];
  }

  /** A run without a draft took so long, of this sequence alone. */
  plain(ms: number): void {
    this.#plain = average(this.#plain, ms);
    if (this.#resting > 0) this.#resting--;
  }

  /** A run with a draft of `drafted` tokens gave `given` tokens, at least one. */
  checked(drafted: number, given: number, ms: number): void {
    this.#drafted = average(this.#drafted, ms / given);
    this.#length =
      given > drafted ? Math.min(2 * this.#length, MAX_DRAFT) : Math.max(given, MIN_DRAFT);
    if (this.#plain === null) throw new RangeError('a draft before the first plain run');
    if (this.#drafted <= this.#plain) {
      if (given > drafted) this.#pause = FIRST_PAUSE;
      return;
    }
    this.#resting = this.#pause;
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE);
    this.#drafted = null;
  }

  /** All endings but the newest, which would only find itself. */
  #index(tokens: readonly number[]): void {
    for (; this.#indexed < tokens.length; this.#indexed++) {
      for (const [i, length] of LENGTHS.entries()) {
        if (this.#indexed >= length) {
          this.#ends[i]!.set(hash(tokens, this.#indexed, length), this.#indexed);
        }
      }
    }
  }
}

const average = (old: number | null, value: number) =>
  old === null ? value : old + NEWEST * (value - old);

/** Of the `length` tokens before `end`. */
function hash(tokens: readonly number[], end: number, length: number): number {
  let h = 0;
  for (let i = end - length; i < end; i++) h = Math.imul(h ^ tokens[i]!, 0x9e3779b1) ^ (h >>> 15);
  return h >>> 0;
}
