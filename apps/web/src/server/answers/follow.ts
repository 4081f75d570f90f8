/** An answer as it is written, from any entry on; it always ends with one finish or one error. */
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import type { Context } from '../context.ts';
import { openLine } from '../http/line.ts';
import { type AnswerRow, endLate, findAnswer, goesOn } from './row.ts';

/**
 * Silence behind the deadline after which nobody is expected to speak any more. The coordinator looks
 * at deadlines each second; an answer from the past must be read in this time.
 */
const LATE_MS = 4000;

/**
 * Yields the canonical stream behind `from`. When the stream is gone, the row says how it ended: the
 * end, and before it (`replaced`) the whole text, because a row has no entry ids to go on from. The
 * coordinator ends answers at their deadline; when it is not there, the row is ended here.
 * Ends early, without an end event, only when the signal aborts.
 */
export async function* followAnswer(
  { id, from, deadline }: { id: string; from: string; deadline: number },
  ctx: Context,
  signal: AbortSignal,
): AsyncGenerator<AnswerEntry | { replaced: AnswerRow }> {
  const line = openLine(signal);
  let late = false;
  // Only waiting counts: a reader that is slow to take what is there is no silence.
  const watch = () =>
    setTimeout(
      () => {
        late = true;
        line.close();
      },
      Math.max(deadline - Date.now(), 0) + LATE_MS,
    );
  let silence = watch();
  try {
    const options = { signal: line.signal, goesOn: () => goesOn(id, ctx) };
    for await (const entry of ctx.answers.follow(id, from, options)) {
      clearTimeout(silence);
      yield entry;
      if (entry.event.type === 'finish' || entry.event.type === 'error') return;
      silence = watch();
    }
  } finally {
    clearTimeout(silence);
    line.close();
  }
  if (signal.aborted) return;
  if (late) await endLate(id, ctx);
  yield { replaced: await findAnswer(id, ctx) };
}

/** Message and code of an answer that ended without finishing, as its row has it. */
export function rowError(row: AnswerRow): { code: string; message: string } {
  return {
    code: row.errorCode ?? 'answer_lost',
    message: row.errorMessage ?? 'The answer ended and its text was not kept.',
  };
}
