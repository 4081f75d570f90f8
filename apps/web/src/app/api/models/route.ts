import { type ModelSummary, ModelsQuery } from '@blyan/protocol/explorer';
import { readModels } from '@/server/explorer/models';
import { csvResponse, nextQuery, wantsCsv } from '@/server/http/csv';
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
    const page = await readModels(ctx.db, query);
    if (!wantsCsv(request, query.format)) return page;
    const next = page.next === null ? null : nextQuery(request, 'cursor', page.next);
    return csvResponse(COLUMNS, page.models, next);
  },
});
