/** An answer as it is written, from any entry on; it always ends with one finish or one error. */
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import type { Context } from '../context.ts';
import { type AnswerRow, findAnswer, goesOn } from './row.ts';

/**
 * Yields the canonical stream behind `from`. When the stream is gone, the row says how it ended: the
 * end, and before it (`replaced`) the whole text, because a row has no entry ids to go on from.
 * Ends early, without an end event, only when the signal aborts.
 */
export async function* followAnswer(
  { id, from }: { id: string; from: string },
  ctx: Context,
  signal: AbortSignal,
): AsyncGenerator<AnswerEntry | { replaced: AnswerRow }> {
  const entries = ctx.answers.follow(id, from, { signal, goesOn: () => goesOn(id, ctx) });
  for await (const entry of entries) {
    yield entry;
    if (entry.event.type === 'finish' || entry.event.type === 'error') return;
  }
  if (signal.aborted) return;
  yield { replaced: await findAnswer(id, ctx) };
}

/** Message and code of an answer that ended without finishing, as its row has it. */
export function rowError(row: AnswerRow): { code: string; message: string } {
  return {
    code: row.errorCode ?? 'answer_lost',
    message: row.errorMessage ?? 'The answer ended and its text was not kept.',
  };
}
