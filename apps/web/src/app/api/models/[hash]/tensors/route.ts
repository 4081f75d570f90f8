import { ModelParams } from '@blyan/protocol/chain-api';
import { ModelTensorsQuery } from '@blyan/protocol/explorer';
import { areModelsWhole, readModelTensors } from '@/server/explorer/models';
import { TENSOR_COLUMNS } from '@/server/explorer/shapes';
import { lastingJson } from '@/server/http/bytes';
import { csvOfList, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** The tensors of a model, sorted and filtered. */
export const GET = route({
  paramsSchema: ModelParams,
  querySchema: ModelTensorsQuery,
  async handler({ params: { hash }, query, request, ctx }) {
    if (!wantsCsv(request, query.format)) {
      const whole = await areModelsWhole(ctx.db, [hash]);
      const answer = await readModelTensors(ctx.db, hash, query);
      return whole ? lastingJson(request, answer) : answer;
    }
    return await csvOfList(request, {
      columns: TENSOR_COLUMNS,
      querySchema: ModelTensorsQuery,
      cursor: 'cursor',
      async read(part) {
        const { tensors: rows, next } = await readModelTensors(ctx.db, hash, part);
        return { rows, next };
      },
    });
  },
});
