/** A message as the server's tables have it, for the page. */
import type { SharedView } from './api-types.ts';
import { newAnswer } from './reduce.ts';
import type { Message } from './types.ts';

/** Of a conversation of this browser, or of a shared one, which lacks some. */
export function fromView({ id, parent, text, answer }: SharedView['messages'][number]): Message {
  if (!answer) return { role: 'user', id, parent, text };
  const message = {
    ...newAnswer(id, parent),
    accepted: true,
    probabilities: answer.params?.probabilities ?? null,
  };
  // What is being written comes through the stream, from its beginning.
  if (answer.status === 'queued' || answer.status === 'running') return message;
  return {
    ...message,
    text,
    thinking: answer.thinking,
    status: answer.status === 'failed' ? 'failed' : 'done',
    tokens: answer.usage?.completion_tokens ?? 0,
    finishReason: answer.finishReason,
    usage: answer.usage,
    provenance: answer.provenance ?? null,
    problem: answer.problem,
  };
}
