import { expect, test } from 'vitest';
import { formatDuration, formatParameters, formatRate } from '../src/lib/format.ts';
import { dictionaryOf } from '../src/lib/i18n/locale.ts';

/** Every text, by where it is; functions are called with what says nothing by itself. */
function textsOf(value: unknown, at = ''): [at: string, text: string][] {
  if (typeof value === 'string') return [[at, value]];
  if (typeof value === 'function') {
    const given = Array.from({ length: value.length }, (_, i) => i + 2);
    return textsOf(value(...given), at);
  }
  return Object.entries(value as object).flatMap(([key, part]) => textsOf(part, `${at}.${key}`));
}

/** The same in each language: signs, names, and the switch, which speaks the other one. */
const ALIKE = new Set(['.settings.topP', '.thread.to', '.thread.version', '.palette.language']);

test('every text is there in both languages, each in its own', () => {
  const en = textsOf(dictionaryOf('en'));
  const ko = new Map(textsOf(dictionaryOf('ko')));
  expect([...ko.keys()].sort()).toEqual(en.map(([at]) => at).sort());
  for (const [at, text] of en) {
    if (ALIKE.has(at)) continue;
    expect(text, at).not.toMatch(/[가-힣]/);
    // An end that only one of the languages has.
    if (text !== '') expect(ko.get(at), at).toMatch(/[가-힣]/);
  }
});

test('numbers and times are said in the language of the page', () => {
  expect(formatParameters(11_010_000, 'ko')).toBe('1101만');
  expect(formatParameters(11_010_000)).toBe('11.0 M');
  expect(formatRate(12.34, 'ko')).toBe('초당 토큰 12.3개');
  expect(formatRate(12.34)).toBe('12.3 tokens/s');
  expect([200, 1500, 61_000].map((ms) => formatDuration(ms, 'ko'))).toEqual([
    '200 ms',
    '1.5초',
    '1분 1초',
  ]);
});
