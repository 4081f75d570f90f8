import { NEUTRAL, type SamplingParams } from '@blyan/protocol/sampling';
import { expect, test } from 'vitest';
import { parametersOf } from '../src/lib/sampling.ts';

test('all parameters that change something are listed, in the names of the API', () => {
  const params: SamplingParams = { ...NEUTRAL, maxTokens: 64, seed: 7 };
  expect(parametersOf(params)).toEqual(['temperature 1', 'top_p 1', 'top_k 0', 'max_tokens 64']);
  const recommended = { ...params, minP: 0.05, repetitionPenalty: 1.05 };
  const penalties = { presencePenalty: 0.5, frequencyPenalty: -0.5 };
  expect(parametersOf({ ...recommended, ...penalties }).slice(3, -1)).toEqual([
    'min_p 0.05',
    'repetition_penalty 1.05',
    'presence_penalty 0.5',
    'frequency_penalty -0.5',
  ]);
});
