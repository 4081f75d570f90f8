/** What a page offers to do about a failure, by its code. */
import type { Dictionary } from '../lib/i18n/en.ts';

type Codes = Dictionary['problem']['codes'];
type Code = keyof Codes;

interface Remedy {
  /** What can be done at once. */
  does: 'again' | 'fresh' | 'parameters';
  /** It is the question of a cut answer that is asked again, since nobody can go on with that. */
  whole?: true;
  /** The server's own words name what is wrong. */
  words?: true;
}

const AGAIN: Remedy = { does: 'again' };
const FRESH: Remedy = { does: 'fresh' };

const REMEDIES: Record<Code, Remedy> = {
  no_worker: AGAIN,
  model_not_served: AGAIN,
  model_unavailable: { does: 'again', words: true },
  coordinator_unavailable: AGAIN,
  no_model: { does: 'again', words: true },
  no_chain: AGAIN,
  model_not_found: { does: 'again', words: true },
  model_not_chat: { does: 'again', words: true },
  model_gone: { does: 'again', whole: true },
  nothing_to_continue: { does: 'again', whole: true },
  queue_full: AGAIN,
  rate_limit_exceeded: AGAIN,
  deadline_exceeded: AGAIN,
  attempts_exhausted: { does: 'again', words: true },
  answer_corrupt: AGAIN,
  answer_lost: AGAIN,
  answer_not_found: AGAIN,
  answer_open: AGAIN,
  context_length_exceeded: FRESH,
  out_of_range: { does: 'parameters', words: true },
  messages_refused: { does: 'parameters', words: true },
  conversation_full: FRESH,
  too_many_conversations: AGAIN,
  conversation_not_found: FRESH,
  redis_unavailable: AGAIN,
  database_unavailable: AGAIN,
  shutting_down: AGAIN,
  internal_error: AGAIN,
  foreign_origin: AGAIN,
  stopped_offline: AGAIN,
  no_answer: AGAIN,
  unknown: AGAIN,
};
/** A code that is not here: the server's words are all that there is to say. */
const OTHER: Remedy = { does: 'again', words: true };

const isCode = (code: string): code is Code => Object.hasOwn(REMEDIES, code);

export const remedyOf = (code: string): Remedy => (isCode(code) ? REMEDIES[code] : OTHER);

/** Null for a code that no dictionary has. */
export const wordsOf = (code: string, codes: Codes): Codes[Code] | null =>
  isCode(code) ? codes[code] : null;
