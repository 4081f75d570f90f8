/** How answers end, in one vocabulary: codes of errors that a user can meet. */
import type { AnswerEvent } from '@blyan/protocol/answer';

type ErrorCode =
  /** Nobody could serve it in time, or serving stopped and nobody took over. */
  | 'no_worker'
  /** Workers are there, and none of them can serve the model; says why. */
  | 'model_unavailable'
  | 'deadline_exceeded'
  | 'context_length_exceeded'
  /** Every attempt broke down. */
  | 'attempts_exhausted'
  /** Its stored stream contradicts itself. */
  | 'answer_corrupt';

export type Outcome =
  | { type: 'finish'; reason: 'stop' | 'length' | 'cancelled' }
  | { type: 'error'; code: ErrorCode; message: string };

export type EndEvent = Extract<AnswerEvent, { type: 'finish' | 'error' }>;
