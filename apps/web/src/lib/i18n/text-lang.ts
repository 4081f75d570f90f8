/** Which language a text is in that is not the page's own words: a screen reader speaks it by that. */
import type { Locale } from './locale.ts';

/** The beginning says it; an answer is looked at again with each token. */
const LOOKED_AT = 500;

const countOf = (text: string, letters: RegExp): number => text.match(letters)?.length ?? 0;

/**
 * By its letters, of which Korean has its own. What is written in Latin ones may be another language than
 * English, but is never spoken well by a Korean voice.
 * @returns undefined where it is the page's, or nobody can tell
 */
export function textLang(text: string, page: Locale): Locale | undefined {
  const start = text.slice(0, LOOKED_AT);
  const korean = countOf(start, /\p{Script=Hangul}/gu);
  const latin = countOf(start, /\p{Script=Latin}/gu);
  if (korean + latin === 0) return undefined;
  // A Korean syllable is written as about three Latin letters, and Korean texts have Latin names.
  const lang = 3 * korean >= latin ? 'ko' : 'en';
  return lang === page ? undefined : lang;
}
