import { ModelParams } from '@blyan/protocol/chain-api';
import { ModelDiffQuery, type TensorDifference } from '@blyan/protocol/explorer';
import { areModelsWhole, readDifferences } from '@/server/explorer/models';
import { lastingJson } from '@/server/http/bytes';
import { csvOfList, wantsCsv } from '@/server/http/csv';
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
    if (!wantsCsv(request, query.format)) {
      const whole = await areModelsWhole(ctx.db, [hash, query.with]);
      const answer = await readDifferences(ctx.db, hash, query);
      return whole ? lastingJson(request, answer) : answer;
    }
    return await csvOfList(request, {
      columns: COLUMNS,
      querySchema: ModelDiffQuery,
      cursor: 'cursor',
      async read(part) {
        const { differences: rows, next } = await readDifferences(ctx.db, hash, part);
        return { rows, next };
      },
    });
  },
});
