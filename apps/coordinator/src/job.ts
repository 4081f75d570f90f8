import type { NodeJob } from '@blyan/protocol/node';
import type { Answer } from './answer.ts';

/** All that a node is told of a request: its present attempt. */
export function jobOf({ id, attempt, input, model, tokens }: Answer): NodeJob {
  return {
    requestId: id,
    attempt,
    model: model.hash,
    prompt: input.prompt,
    emitted: [...tokens],
    params: input.params,
    stopTokens: [...model.stopTokens],
    deadline: input.deadline,
  };
}
