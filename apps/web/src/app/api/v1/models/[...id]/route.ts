import { ModelParams } from '@blyan/protocol/openai';
import { notFound } from '@/server/http/errors';
import { route } from '@/server/http/route';
import { modelObjects, nameOfSegments } from '@/server/model/openai';

export const dynamic = 'force-dynamic';

/** Names may hold a slash, like those of a hub. */
export const GET = route({
  keyed: true,
  paramsSchema: ModelParams,
  async handler({ params, ctx }) {
    const name = nameOfSegments(params.id);
    if (name === null) throw notFound('model_not_found', 'This is no name of a model.', 'model');
    const model = modelObjects(await ctx.models.list()).find((entry) => entry.id === name);
    if (!model) throw notFound('model_not_found', `There is no model named "${name}".`, 'model');
    return model;
  },
});
