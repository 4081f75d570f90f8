import { type ModelSummary, ModelsQuery } from '@blyan/protocol/explorer';
import { readModels } from '@/server/explorer/models';
import { csvOfList, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

const COLUMNS = {
  height: (model: ModelSummary) => model.height,
  hash: (model: ModelSummary) => model.hash,
  name: (model: ModelSummary) => model.name,
  family: (model: ModelSummary) => model.family,
  parameters: (model: ModelSummary) => model.parameters,
  recipe: (model: ModelSummary) => model.recipe,
  layers: (model: ModelSummary) => model.layers,
  retired: (model: ModelSummary) => model.retired,
};

/** Model blocks of chain A, the retired ones too. */
export const GET = route({
  querySchema: ModelsQuery,
  async handler({ query, request, ctx }) {
    if (!wantsCsv(request, query.format)) return await readModels(ctx.db, query);
    return await csvOfList(request, {
      columns: COLUMNS,
      querySchema: ModelsQuery,
      cursor: 'cursor',
      async read(part) {
        const { models: rows, next } = await readModels(ctx.db, part);
        return { rows, next };
      },
    });
  },
});
