/** The row of an answer: what remains when its stream has expired. */
import { Receipt } from '@blyan/protocol/answer';
import { SamplingParams } from '@blyan/protocol/sampling';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';

export async function findAnswer(id: string, ctx: Pick<Context, 'db'>) {
  const row = await ctx.db.request.findUnique({
    where: { id },
    omit: { prompt: true, output: true },
  });
  if (!row) throw notFound('answer_not_found', 'There is no answer with this id.', 'id');
  const receipt = Receipt.safeParse(row.receipt);
  const params = SamplingParams.safeParse(row.params);
  return {
    ...row,
    model: Buffer.from(row.model).toString('hex'),
    receipt: receipt.success ? receipt.data : null,
    seed: params.success ? params.data.seed : 0,
    ended: row.status !== 'queued' && row.status !== 'running',
  };
}
export type AnswerRow = Awaited<ReturnType<typeof findAnswer>>;

/** Whether an answer can still go on: asked when its stream is silent. */
export async function goesOn(id: string, ctx: Context): Promise<boolean> {
  const row = await ctx.db.request.findUnique({ where: { id }, select: { status: true } });
  return row?.status === 'queued' || row?.status === 'running';
}

/** Ends an answer that nobody else ended in its time; one that has ended stays as it is. */
export async function endLate(id: string, ctx: Context): Promise<void> {
  await ctx.db.request.updateMany({
    where: { id, status: { in: ['queued', 'running'] } },
    data: {
      status: 'failed',
      errorCode: 'deadline_exceeded',
      errorMessage: 'The answer was not complete by its deadline.',
      finishedAt: new Date(),
    },
  });
}
