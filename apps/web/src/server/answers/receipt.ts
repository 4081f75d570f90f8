import type { ReceiptDetails } from '@blyan/protocol/explorer';
import type { Context } from '../context.ts';
import { findAnswer } from './row.ts';

/**
 * What is known of an answer; its text is not part of it.
 * @throws ApiError 404
 */
export async function readReceipt(ctx: Pick<Context, 'db'>, id: string): Promise<ReceiptDetails> {
  const row = await findAnswer(id, ctx);
  return {
    id: row.id,
    status: row.status,
    model: row.model,
    createdAt: row.createdAt.getTime(),
    finishedAt: row.finishedAt?.getTime() ?? null,
    error: row.errorCode ? { code: row.errorCode, message: row.errorMessage ?? '' } : null,
    receipt: row.receipt,
  };
}
