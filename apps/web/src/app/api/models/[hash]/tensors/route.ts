import { ModelParams } from '@blyan/protocol/chain-api';
import { ModelTensorsQuery } from '@blyan/protocol/explorer';
import { readModelTensors } from '@/server/explorer/models';
import { TENSOR_COLUMNS } from '@/server/explorer/shapes';
import { csvResponse, nextQuery, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** The tensors of a model, sorted and filtered. */
export const GET = route({
  paramsSchema: ModelParams,
  querySchema: ModelTensorsQuery,
  async handler({ params: { hash }, query, request, ctx }) {
    const page = await readModelTensors(ctx.db, hash, query);
    if (!wantsCsv(request, query.format)) return page;
    const next = page.next === null ? null : nextQuery(request, 'cursor', page.next);
    return csvResponse(TENSOR_COLUMNS, page.tensors, next);
  },
});
