import { NEUTRAL } from '@blyan/protocol/sampling';
import { expect, test } from 'vitest';
import { Answer } from '../src/answer.ts';
import { checkEvent } from '../src/check.ts';
import type { ServedModel } from '../src/served-model.ts';

const model: ServedModel = {
  hash: '00'.repeat(32),
  name: 'm',
  genesis: '00'.repeat(32),
  block: { chain: 'A', height: 1, hash: '00'.repeat(32) },
  layerBlocks: [],
  vocab: 100,
  layers: 1,
  context: 12,
  stopTokens: new Set([99]),
  thinking: null,
  detokenizer: () => ({ push: () => '', flush: () => '', pending: false }),
};

function running(maxTokens: number): Answer {
  const answer = new Answer(
    {
      id: 'r'.repeat(20),
      prompt: Array.from({ length: 10 }, (_, i) => i),
      params: { ...NEUTRAL, maxTokens, temperature: 0, seed: 1 },
      stop: [],
      attempt: 0,
      segments: [],
      createdAt: 0,
      deadline: 0,
      startedAt: null,
    },
    model,
  );
  const segment = { attempt: 1, nodeId: 'node-a', position: 0, layers: null, numerics: null };
  answer.begin(segment, '1');
  return answer;
}
const ofAttempt = { requestId: 'r'.repeat(20), attempt: 1 };

test('the prefix is read on, or nothing is said', () => {
  const answer = running(2);
  const prefill = (done: number) =>
    checkEvent(answer, 'node-a', { type: 'prefill', ...ofAttempt, done, total: 10 }).type;
  expect(prefill(5)).toBe('prefill');
  answer.running = { nodeId: 'node-a', boot: '1', heard: 0, prefilled: 5 };
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
