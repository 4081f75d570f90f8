import type { NodeJob } from '@blyan/protocol/node';
import type { Answer } from './answer.ts';

/** All that a node is told of a request: its present attempt. */
export function jobOf(answer: Answer, now = Date.now()): NodeJob {
  const { id, attempt, input, model, tokens, stopTokens } = answer;
  return {
    requestId: id,
    attempt,
    model: model.hash,
    prompt: input.prompt,
    emitted: [...tokens],
    params: input.params,
    stopTokens,
    remainingMs: Math.max(0, input.deadline - now),
  };
}
