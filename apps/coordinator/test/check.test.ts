import { expect, test } from 'vitest';
import type { Answer } from '../src/answer.ts';
import { checkEvent } from '../src/check.ts';
import { ofAttempt, running } from './running-answer.ts';

test('the prefix is read on, or nothing is said', () => {
  const answer = running(2);
  const prefill = (done: number) =>
    checkEvent(answer, 'node-a', { type: 'prefill', ...ofAttempt, done, total: 10 }).type;
  expect(prefill(5)).toBe('prefill');
  answer.running = { nodeId: 'node-a', boot: '1', heard: 0, doubted: false, prefilled: 5 };
  expect([prefill(5), prefill(4), prefill(6)]).toEqual(['repeat', 'repeat', 'prefill']);
});

test('only the model and the request end an answer by its length', () => {
  const answer = running(50);
  const done = (count: number) =>
    checkEvent(answer, 'node-a', {
      type: 'done',
      ...ofAttempt,
      count,
      prefillMs: 0,
      decodeMs: 0,
    }).type;
  expect(answer.accept({ tokens: [1] }, 0).end).toBeNull();
  expect(done(1)).toBe('violation');
  expect(answer.accept({ tokens: [2] }, 0).end).toBe('length');
});

test('log-probabilities are those that were asked for, one for each token', () => {
  type Logprobs = { logprob: number; top: [number, number][] }[] | undefined;
  const sent = (answer: Answer, logprobs: Logprobs, position = 0) =>
    checkEvent(answer, 'node-a', {
      type: 'tokens',
      ...ofAttempt,
      position,
      tokens: [1, 2],
      logprobs,
    });
  const of = (...tops: number[][]): Logprobs =>
    tops.map((ids) => ({ logprob: -1, top: ids.map((id) => [id, -1]) }));
  const asked = running(2, 2);
  expect(sent(asked, of([1, 99], [2]))).toEqual({
    type: 'tokens',
    tokens: [1, 2],
    logprobs: of([1, 99], [2]),
  });
  expect(sent(asked, undefined)).toMatchObject({ problem: expect.stringContaining('of 0 tokens') });
  for (const wrong of [of([1]), of([1], [2], [3]), of([1, 2, 3], [2]), of([1], [100]), of()]) {
    expect(sent(asked, wrong)).toMatchObject({ type: 'violation' });
  }
  expect(sent(running(2), undefined)).toMatchObject({ type: 'tokens', logprobs: undefined });
  expect(sent(running(2), of([], []))).toMatchObject({ type: 'lie' });
  // The part that was known is cut off from both.
  const further = running(2, 1);
  further.accept({ tokens: [1], logprobs: of([1]) }, 0);
  const rest = sent(further, of([1], [2]));
  expect(rest).toEqual({ type: 'tokens', tokens: [2], logprobs: of([2]) });
});

test('a node that waits for memory is alive, and one with too little is told about in our words', () => {
  const waiting = { type: 'prefill' as const, ...ofAttempt, done: 0, total: 3 };
  expect(checkEvent(running(2), 'node-a', waiting)).toMatchObject({ type: 'prefill', done: 0 });
  const small = { code: 'KV_MEMORY_TOO_SMALL', message: 'anything', retry: true };
  const verdict = checkEvent(running(2), 'node-a', { type: 'fail', ...ofAttempt, ...small });
  expect(verdict).toMatchObject({ type: 'fail', words: expect.stringMatching(/max_tokens/) });
});
