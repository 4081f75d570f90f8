/**
 * Whether the entries of a canonical stream follow on each other. Their ids follow from output positions
 * (packages/protocol/src/answer.ts), so an entry that could not be stored shows in the next one.
 */
import type { AnswerEntry } from '@blyan/queue/answer-reader';

/** Above the second number of every id that Redis makes. */
const LAST = 999_999_999_999_999;

export class Places {
  /** Behind which entry to read: `from`, or where only `from` itself tells its tokens the one before. */
  readonly start: string;
  /** An id `from` that is read again. */
  readonly #known: string | null;
  /** Tokens so far; null until they are known. */
  #count: number | null;

  /** @param from an entry id, `0` for the start */
  constructor(from: string) {
    const [main = 0, sub] = from.split('-').map(Number);
    const isTold = main === 0 || sub !== 0;
    this.start = isTold ? from : `${main - 1}-${LAST}`;
    this.#known = isTold ? null : from;
    this.#count = isTold ? main : null;
  }

  /** `gap`: something is missing before this entry. `known`: the reader has it already. */
  take({ id, event }: AnswerEntry): 'next' | 'known' | 'gap' {
    const main = Number(id.split('-', 1)[0]);
    const before = event.type === 'phase' || event.type === 'attempt' ? main : main - 1;
    const known = id === this.#known;
    const gap = this.#count !== null && this.#count !== before;
    this.#count = event.type === 'tokens' ? before + event.tokens.length : before;
    if (known) return 'known';
    return gap ? 'gap' : 'next';
  }
}
