/** Languages of the pages, and which one a browser gets. */
import { type Dictionary, en } from './en.ts';
import { ko } from './ko.ts';

const DICTIONARIES = { en, ko } satisfies Record<string, Dictionary>;
export type Locale = keyof typeof DICTIONARIES;
const LOCALES: readonly Locale[] = ['en', 'ko'];

/** Set by the language switch; nothing else is in it. */
export const LOCALE_COOKIE = 'blyan-locale';

export const dictionaryOf = (locale: Locale): Dictionary => DICTIONARIES[locale];

const localeIn = (tag: string): Locale | undefined =>
  LOCALES.find((locale) => tag.toLowerCase().split('-')[0] === locale);

/** The reader's choice, else the first language of `Accept-Language` (RFC 9110, 12.5.4) that we have. */
export function chooseLocale(cookie: string | null, acceptLanguage: string | null): Locale {
  const chosen = cookie?.match(new RegExp(`(?:^|;\\s*)${LOCALE_COOKIE}=(\\w+)`))?.[1];
  const wanted = (acceptLanguage ?? '')
    .split(',')
    .map((part) => {
      const [tag = '', quality] = part.trim().split(/\s*;\s*q=/);
      return { tag, quality: quality === undefined ? 1 : Number(quality) || 0 };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const tag of [chosen ?? '', ...wanted.map(({ tag }) => tag)]) {
    const locale = localeIn(tag);
    if (locale) return locale;
  }
  return 'en';
}
