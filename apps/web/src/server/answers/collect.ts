/** Waits for a whole answer. */
import type { AnswerFinish } from '@blyan/protocol/answer';
import type { Context } from '../context.ts';
import { ApiError, shuttingDown } from '../http/errors.ts';
import { openLine } from '../http/line.ts';
import { type Asked, abandon } from './ask.ts';
import { answerFailure } from './failure.ts';
import { followAnswer, rowError } from './follow.ts';
import { type ShownToken, ShownTokens } from './logprobs.ts';

export interface WholeAnswer {
  text: string;
  thinking: string;
  /** Those of the text, in order, where log-probabilities were asked for and kept. */
  tokens: ShownToken[] | null;
  finish: Omit<AnswerFinish, 'type' | 'text'>;
}

/** What is needed to wait for an answer. */
type Expected = Pick<Asked, 'id' | 'deadline' | 'params'>;

/**
 * The same for all answers to one request: the first that fails ends all.
 * @throws ApiError as `collectAnswer` does
 */
export async function collectChoices(
  asked: Expected[],
  ctx: Context,
  client: AbortSignal,
): Promise<WholeAnswer[]> {
  const line = openLine(client);
  try {
    return await Promise.all(asked.map((choice) => collectAnswer(choice, ctx, line.signal)));
  } finally {
    line.close();
  }
}

/**
 * Cancels the work when the client goes away or is told of a failure, unless it `goesOnAlone`.
 * @throws ApiError when the answer ended in an error
 */
export async function collectAnswer(
  asked: Expected,
  ctx: Context,
  client: AbortSignal,
  { goesOnAlone = false } = {},
): Promise<WholeAnswer> {
  const line = openLine(client, ctx.stopping.cut);
  let whole: WholeAnswer | null = null;
  try {
    whole = await read(asked, ctx, line.signal);
  } finally {
    line.close();
    if (!whole && !goesOnAlone) await abandon([asked.id], ctx);
  }
  if (whole) return whole;
  // Nobody reads the second one, but its status is for the log of a proxy.
  throw ctx.stopping.cut.aborted
    ? shuttingDown()
    : new ApiError(499, 'client_closed_request', 'The client went away.');
}

async function read(
  { id, deadline, params }: Expected,
  ctx: Context,
  signal: AbortSignal,
): Promise<WholeAnswer | null> {
  let text = '';
  let thinking = '';
  const shown = new ShownTokens();
  const tokens: ShownToken[] = [];
  for await (const entry of followAnswer({ id, from: '0', deadline }, ctx, signal)) {
    if ('replaced' in entry) {
      const { receipt } = entry.replaced;
      if (!receipt) throw answerFailure(rowError(entry.replaced));
      const { finishReason: reason, usage } = receipt;
      const finish = { reason, usage, receipt };
      return {
        text: entry.replaced.text ?? '',
        thinking: entry.replaced.thinking ?? thinking,
        tokens: null,
        finish,
      };
    }
    const { event } = entry;
    if (event.type === 'tokens') {
      text += event.text;
      thinking += event.thinking ?? '';
      tokens.push(...shown.take(event));
    } else if (event.type === 'finish') {
      tokens.push(...shown.take(event));
      return {
        text: text + event.text,
        thinking,
        tokens: params.logprobs === null ? null : tokens,
        finish: event,
      };
    } else if (event.type === 'error') {
      throw answerFailure(event);
    }
  }
  return null;
}
