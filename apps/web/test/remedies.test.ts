import { expect, test } from 'vitest';
import { remedyOf, wordsOf } from '../src/chat/remedies.ts';
import { dictionaryOf } from '../src/lib/i18n/locale.ts';
import { textLang } from '../src/lib/i18n/text-lang.ts';

/** What a question of the page can be refused with, or an answer of it end with. */
const CODES = [
  'answer_corrupt',
  'answer_lost',
  'answer_not_found',
  'answer_open',
  'attempts_exhausted',
  'context_length_exceeded',
  'conversation_full',
  'conversation_not_found',
  'coordinator_unavailable',
  'database_unavailable',
  'deadline_exceeded',
  'internal_error',
  'messages_refused',
  'model_gone',
  'model_not_chat',
  'model_unavailable',
  'no_chain',
  'no_model',
  'no_worker',
  'out_of_range',
  'queue_full',
  'rate_limit_exceeded',
  'redis_unavailable',
  'shutting_down',
  'too_many_conversations',
];

test.each(CODES)('%s is said in both languages, with what to do about it', (code) => {
  for (const locale of ['en', 'ko'] as const) {
    const words = wordsOf(code, dictionaryOf(locale).problem.codes);
    expect(words?.what).toBeTruthy();
    expect(words?.todo).toBeTruthy();
    expect(/[가-힣]/.test(`${words?.what}`)).toBe(locale === 'ko');
    expect(/[가-힣]/.test(`${words?.todo}`)).toBe(locale === 'ko');
  }
});

test('a code that nobody knows is said in the words of the server', () => {
  for (const code of ['something_new', 'constructor', '__proto__', '']) {
    expect(wordsOf(code, dictionaryOf('en').problem.codes)).toBeNull();
    expect(remedyOf(code)).toEqual({ does: 'again', words: true });
  }
});

test.each([
  ['What is Blyan?', 'ko', 'en'],
  ['What is Blyan?', 'en', undefined],
  ['블록이 뭐예요?', 'ko', undefined],
  ['블록이 뭐예요?', 'en', 'ko'],
  ['Qwen3-8B의 가중치는 어디에서 왔나요?', 'ko', undefined],
  ['The word 블록 is Korean for block, as far as I know.', 'ko', 'en'],
  ['1 + 1 = 2', 'ko', undefined],
  ['', 'ko', undefined],
] as const)('%j in a page in %s: lang %s', (text, page, lang) => {
  expect(textLang(text, page)).toBe(lang);
});
