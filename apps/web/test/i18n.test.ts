import { expect, test } from 'vitest';
import { chooseLocale } from '../src/lib/i18n/locale.ts';

test.each([
  ['ko-KR,ko;q=0.9,en;q=0.8', null, 'ko'],
  ['en-US,en;q=0.9,ko;q=0.8', null, 'en'],
  ['de, ko;q=0.3, en;q=0.2', null, 'ko'],
  ['en;q=0, ko', null, 'ko'],
  ['', null, 'en'],
  ['xx;q=abc', null, 'en'],
  ['ko', 'a=b; blyan-locale=en', 'en'],
  ['en', 'blyan-locale=ko', 'ko'],
  ['ko', 'blyan-locale=fr', 'ko'],
])('%s with the cookie %s: %s', (accept, cookie, locale) => {
  expect(chooseLocale(cookie, accept)).toBe(locale);
});
