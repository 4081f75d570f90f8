/** An answer whose first attempt runs on node-a. */
import { NEUTRAL } from '@blyan/protocol/sampling';
import { Answer } from '../src/answer.ts';
import type { ServedModel } from '../src/served-model.ts';
import { evenPlan } from './even-plan.ts';

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
  plan: evenPlan(1),
  detokenizer: () => ({ push: () => '', flush: () => '', pending: false }),
};

export function running(maxTokens: number, logprobs: number | null = null): Answer {
  const answer = new Answer(
    {
      id: 'r'.repeat(20),
      prompt: Array.from({ length: 10 }, (_, i) => i),
      continues: 0,
      params: { ...NEUTRAL, maxTokens, temperature: 0, seed: 1, logprobs },
      stop: [],
      attempt: 0,
      segments: [],
      createdAt: 0,
      deadline: 0,
      startedAt: null,
    },
    model,
  );
  const segment = {
    attempt: 1,
    nodeId: 'node-a',
    position: 0,
    layers: null,
    numerics: null,
    stages: null,
  };
  answer.begin(segment, '1');
  return answer;
}

export const ofAttempt = { requestId: 'r'.repeat(20), attempt: 1 };
