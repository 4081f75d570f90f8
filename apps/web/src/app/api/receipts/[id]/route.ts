import { ReceiptParams } from '@blyan/protocol/explorer';
import { readReceipt } from '@/server/answers/receipt';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** What ran where for one answer: by its whole id only. */
export const GET = route({
  paramsSchema: ReceiptParams,
  handler: ({ params: { id }, ctx }) => readReceipt(ctx, id),
});
