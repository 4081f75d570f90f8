import { ModelParams } from '@blyan/protocol/chain-api';
import { ModelDiffQuery, type TensorDifference } from '@blyan/protocol/explorer';
import { readDifferences } from '@/server/explorer/models';
import { csvResponse, nextQuery, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

const COLUMNS = {
  name: (row: TensorDifference) => row.name,
  hereRoot: (row: TensorDifference) => row.here?.root,
  hereFormat: (row: TensorDifference) => row.here?.format,
  hereBytes: (row: TensorDifference) => row.here?.byteLength,
  thereRoot: (row: TensorDifference) => row.there?.root,
  thereFormat: (row: TensorDifference) => row.there?.format,
  thereBytes: (row: TensorDifference) => row.there?.byteLength,
};

/** Tensors by name that differ between this model and another one. */
export const GET = route({
  paramsSchema: ModelParams,
  querySchema: ModelDiffQuery,
  async handler({ params: { hash }, query, request, ctx }) {
    const page = await readDifferences(ctx.db, hash, query);
    if (!wantsCsv(request, query.format)) return page;
    const next = page.next === null ? null : nextQuery(request, 'cursor', page.next);
    return csvResponse(COLUMNS, page.differences, next);
  },
});
