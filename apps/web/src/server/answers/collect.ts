/** Waits for a whole answer. */
import type { AnswerFinish } from '@blyan/protocol/answer';
import type { Context } from '../context.ts';
import { ApiError, unavailable } from '../http/errors.ts';
import { openLine } from '../http/line.ts';
import { cancel } from './ask.ts';
import { answerFailure } from './failure.ts';
import { followAnswer, rowError } from './follow.ts';

export interface WholeAnswer {
  text: string;
  thinking: string;
  finish: Omit<AnswerFinish, 'type' | 'text'>;
}

export const shuttingDown = () =>
  unavailable('shutting_down', 'The server is restarting; ask again.');

/** Cancels the work when the client goes away. @throws ApiError when the answer ended in an error */
export async function collectAnswer(
  id: string,
  ctx: Context,
  client: AbortSignal,
): Promise<WholeAnswer> {
  const line = openLine(client, ctx.shutdown);
  try {
    const whole = await read(id, ctx, line.signal);
    if (whole) return whole;
  } finally {
    line.close();
  }
  await cancel(id, ctx);
  // Nobody reads the second one, but its status is for the log of a proxy.
  throw ctx.shutdown.aborted
    ? shuttingDown()
    : new ApiError(499, 'client_closed_request', 'The client went away.');
}

async function read(id: string, ctx: Context, signal: AbortSignal): Promise<WholeAnswer | null> {
  let text = '';
  let thinking = '';
  for await (const entry of followAnswer({ id, from: '0' }, ctx, signal)) {
    if ('replaced' in entry) {
      const { receipt } = entry.replaced;
      if (!receipt) throw answerFailure(rowError(entry.replaced));
      const { finishReason: reason, usage } = receipt;
      return { text: entry.replaced.text ?? '', thinking, finish: { reason, usage, receipt } };
    }
    const { event } = entry;
    if (event.type === 'tokens') {
      text += event.text;
      thinking += event.thinking ?? '';
    } else if (event.type === 'finish') {
      return { text: text + event.text, thinking, finish: event };
    } else if (event.type === 'error') {
      throw answerFailure(event);
    }
  }
  return null;
}
