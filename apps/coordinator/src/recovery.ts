/**
 * Makes an answer of a row. A row that an earlier life of the coordinator worked on continues with
 * what its canonical stream has.
 */
import type { AnswerEntry, AnswerReader } from '@blyan/queue/answer-reader';
import type { AnswerWriter } from '@blyan/queue/answer-stream';
import { Answer, type TokenEnd } from './answer.ts';
import { ending } from './endings.ts';
import type { Logger } from './logger.ts';
import type { EndEvent } from './outcome.ts';
import type { OpenRequest, RequestStore } from './request-store.ts';
import type { Models, ServedModel } from './served-model.ts';

export interface Restored {
  answer: Answer;
  /** The stream has ended; only the row is missing. */
  ended: EndEvent | null;
  /** The tokens are complete; only the end is missing. */
  complete: TokenEnd | null;
  /** The stream contradicts itself and cannot be continued. */
  corrupt: boolean;
}

export interface OpenDeps {
  store: RequestStore;
  models: Models;
  reader: AnswerReader;
  writer: AnswerWriter;
  logger: Logger;
}

/** Null when the model of the request cannot be read: then it has ended. */
export async function openAnswer(
  request: OpenRequest,
  deps: OpenDeps,
): Promise<(Restored & { cancelled: boolean }) | null> {
  const { models, reader, logger } = deps;
  const { id } = request;
  let model: ServedModel;
  try {
    model = await models.get(request.model);
  } catch (error) {
    const problem = (error as Error).message;
    logger.error({ requestId: id, model: request.model, problem }, 'a model cannot be read');
    if (Date.now() > request.deadline) {
      const message = 'the answer was not complete by its deadline';
      await refuse(request, { type: 'error', code: 'deadline_exceeded', message }, deps);
    } else if (isFinal(error)) {
      const message = `this model cannot be read: ${problem}`.slice(0, 2000);
      await refuse(request, { type: 'error', code: 'model_unavailable', message }, deps);
    } else {
      throw error;
    }
    return null;
  }
  const entries = request.attempt > 0 ? await reader.read(id) : [];
  return { ...restoreAnswer(request, model, entries), cancelled: request.cancelled };
}

/**
 * Errors of our own packages say whether trying again can help, and their words are for users, too.
 * All others are the database's, the disk's or a mistake of ours: they may pass.
 */
const isFinal = (error: unknown): boolean => (error as { retry?: unknown }).retry === false;

/** Ends a request of which not even an answer can be made, with what its stream has. */
async function refuse(
  { id, attempt }: OpenRequest,
  error: EndEvent,
  { store, writer, reader }: OpenDeps,
): Promise<void> {
  const tokens: number[] = [];
  let text = '';
  let thinking = '';
  let ended: EndEvent | null = null;
  for (const { event } of attempt > 0 ? await reader.read(id) : []) {
    if (event.type === 'tokens') {
      tokens.push(...event.tokens);
      thinking += event.thinking ?? '';
    }
    if (event.type === 'tokens' || event.type === 'finish') text += event.text;
    if (event.type === 'finish' || event.type === 'error') ended = event;
  }
  if (!ended) await writer.append(id, error, tokens.length);
  await store.end(id, attempt, ending({ tokens, text, thinking }, ended ?? error));
}

function restoreAnswer(request: OpenRequest, model: ServedModel, entries: AnswerEntry[]): Restored {
  const answer = new Answer(request, model);
  const restored: Restored = { answer, ended: null, complete: null, corrupt: false };
  for (const { event } of entries) {
    if (event.type === 'tokens') {
      if (event.position !== answer.tokens.length || restored.complete) restored.corrupt = true;
      else restored.complete = answer.restore(event);
    } else if (event.type === 'finish' || event.type === 'error') restored.ended = event;
  }
  if (restored.ended) answer.flush();
  return restored;
}
