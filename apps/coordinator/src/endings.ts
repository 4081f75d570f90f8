/**
 * Ends answers for good: the last event into the stream, then the row. Either may be there already
 * from an earlier life; what was told to readers first is what counts.
 */
import type { AnswerReader } from '@blyan/queue/answer-reader';
import type { AnswerWriter } from '@blyan/queue/answer-stream';
import type { Answer } from './answer.ts';
import { isDeposed } from './errors.ts';
import { STORE_RETRY_MS, STORE_TRIES } from './limits.ts';
import type { Logger } from './logger.ts';
import type { EndEvent, Outcome } from './outcome.ts';
import { makeReceipt } from './receipt.ts';
import type { Ending, RequestStore } from './request-store.ts';
import type { Teller } from './tell.ts';

export interface EndingDeps {
  store: RequestStore;
  writer: AnswerWriter;
  reader: AnswerReader;
  tell: Teller;
  logger: Logger;
}

/**
 * Never rejects: after STORE_TRIES, or when another coordinator leads, it gives up, and whoever
 * leads next completes the row.
 */
export async function endAnswer(answer: Answer, outcome: Outcome, deps: EndingDeps): Promise<void> {
  const event = endEvent(answer, outcome, Date.now());
  const told = await attempts(deps, answer, 'the last event', async () => {
    await deps.tell.appended(answer);
    const appended = await deps.writer.append(answer.id, event, answer.tokens.length);
    return appended === 'added' ? event : ((await storedEnd(answer.id, deps.reader)) ?? event);
  });
  await completeRow(answer, told ?? event, deps);
}

/** The row of an answer whose stream has ended. */
export async function completeRow(
  answer: Answer,
  event: EndEvent,
  deps: EndingDeps,
): Promise<void> {
  const { logger, store } = deps;
  const ended = await attempts(deps, answer, 'the row', () =>
    store.end(answer.id, answer.attempt, ending(answer, event)),
  );
  if (ended === null) {
    logger.error({ requestId: answer.id }, 'the row of an ended request could not be written');
    return;
  }
  logger.info(
    {
      requestId: answer.id,
      end: event.type === 'finish' ? event.reason : event.code,
      tokens: answer.tokens.length,
      attempts: answer.attempt,
      ...(event.type === 'finish' ? event.receipt.timings : { problem: event.message }),
    },
    ended ? 'request ended' : 'request had ended before',
  );
}

function endEvent(answer: Answer, outcome: Outcome, now: number): EndEvent {
  if (outcome.type === 'error') return outcome;
  const rest = answer.flush();
  const receipt = makeReceipt(answer, outcome.reason, now);
  return { type: 'finish', reason: outcome.reason, ...rest, usage: receipt.usage, receipt };
}

async function storedEnd(id: string, reader: AnswerReader): Promise<EndEvent | null> {
  const last = (await reader.read(id)).at(-1)?.event;
  return last?.type === 'finish' || last?.type === 'error' ? last : null;
}

/** What an ended request is, in its row. */
export function ending(
  { tokens, text, thinking }: Pick<Answer, 'tokens' | 'text' | 'thinking'>,
  event: EndEvent,
): Ending {
  const written = { output: tokens, text, thinking: thinking || null };
  if (event.type === 'error') {
    return {
      status: 'failed',
      ...written,
      errorCode: event.code,
      errorMessage: event.message,
    };
  }
  return {
    status: event.reason === 'cancelled' ? 'cancelled' : 'completed',
    ...written,
    finishReason: event.reason,
    receipt: event.receipt,
  };
}

async function attempts<T>(
  { logger }: EndingDeps,
  { id }: Answer,
  what: string,
  run: () => Promise<T>,
): Promise<T | null> {
  for (let i = 0; i < STORE_TRIES; i++) {
    try {
      return await run();
    } catch (error) {
      logger.error({ requestId: id, problem: (error as Error).message }, `cannot store ${what}`);
      if (isDeposed(error)) return null;
      await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
    }
  }
  return null;
}
