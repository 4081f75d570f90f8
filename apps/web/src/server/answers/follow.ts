/** An answer as it is written, from any entry on; it always ends with one finish or one error. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import type { Context } from '../context.ts';
import { isNamed } from '../http/errors.ts';
import { openLine } from '../http/line.ts';
import { Places } from './places.ts';
import { type AnswerRow, endLate, findAnswer, goesOn } from './row.ts';

/**
 * Silence behind the deadline after which nobody is expected to speak any more. The coordinator looks
 * at deadlines each second; an answer from the past must be read in this time.
 */
const LATE_MS = 4000;
/** The row of an answer whose stream has ended is looked for this often: usually it is there. */
const ROW_MS = 250;

/**
 * Yields the canonical stream behind `from`. When the stream is gone, or an entry of it is missing, the
 * row says how it ended: the end, and before it (`replaced`) the whole text, because a row has no entry
 * ids to go on from. The coordinator ends answers at their deadline; when it is not there, the row is
 * ended here. Ends early, without an end event, only when the signal aborts.
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
  const places = new Places(from);
  let whole = true;
  try {
    const options = { signal: line.signal, goesOn: () => mayGoOn(id, ctx) };
    for await (const entry of ctx.answers.follow(id, places.start, options)) {
      clearTimeout(silence);
      const place = places.take(entry);
      if (place === 'gap' && whole) {
        whole = false;
        ctx.logger.warn({ id, entry: entry.id }, 'an answer has a gap: its row will be read');
      }
      if (whole && place === 'next') {
        yield entry;
        if (entry.event.type === 'finish' || entry.event.type === 'error') return;
      }
      silence = watch();
    }
    const row = await endedRow(id, ctx, line.signal);
    if (row) {
      clearTimeout(silence);
      yield { replaced: row };
      return;
    }
  } finally {
    clearTimeout(silence);
    line.close();
  }
  if (signal.aborted || !late) return;
  await endLate(id, ctx);
  yield { replaced: await findAnswer(id, ctx) };
}

/** A database that is away for a moment says nothing about the answer, and the deadline is watched. */
const mayGoOn = (id: string, ctx: Context): Promise<boolean> =>
  goesOn(id, ctx).catch((err) => {
    ctx.logger.warn({ err, id }, 'an answer could not be looked up');
    return true;
  });

/** The row, as soon as it has ended; null when the signal aborts before. */
async function endedRow(id: string, ctx: Context, signal: AbortSignal): Promise<AnswerRow | null> {
  while (!signal.aborted) {
    try {
      const row = await findAnswer(id, ctx);
      if (row.ended) return row;
    } catch (err) {
      if (isNamed(err, 'ApiError')) throw err;
      ctx.logger.warn({ err, id }, 'the row of an answer could not be read');
    }
    await sleep(ROW_MS, undefined, { signal }).catch(() => undefined);
  }
  return null;
}

/** Message and code of an answer that ended without finishing, as its row has it. */
export function rowError(row: AnswerRow): { code: string; message: string } {
  return {
    code: row.errorCode ?? 'answer_lost',
    message: row.errorMessage ?? 'The answer ended and its text was not kept.',
  };
}
