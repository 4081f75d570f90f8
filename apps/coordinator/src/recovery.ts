/** What an earlier life of the coordinator left of an answer: its row and its canonical stream. */
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import { Answer, type TokenEnd } from './answer.ts';
import type { EndEvent } from './outcome.ts';
import type { OpenRequest } from './request-store.ts';
import type { ServedModel } from './served-model.ts';

export interface Restored {
  answer: Answer;
  /** The stream has ended; only the row is missing. */
  ended: EndEvent | null;
  /** The tokens are complete; only the end is missing. */
  complete: TokenEnd | null;
  /** The stream contradicts itself and cannot be continued. */
  corrupt: boolean;
}

export function restoreAnswer(
  request: OpenRequest,
  model: ServedModel,
  entries: AnswerEntry[],
): Restored {
  const answer = new Answer(request, model);
  const restored: Restored = { answer, ended: null, complete: null, corrupt: false };
  for (const { event } of entries) {
    if (event.type === 'tokens') {
      if (event.position !== answer.tokens.length || restored.complete) restored.corrupt = true;
      else restored.complete = answer.restore(event.tokens);
    } else if (event.type === 'finish' || event.type === 'error') restored.ended = event;
  }
  if (restored.ended) answer.flush();
  return restored;
}
