/** What a question is asked with when it names nothing: the model's own recommendations. */
import { resolveParams } from '../answers/params.ts';
import { freshCluster, servedHashes } from '../cluster.ts';
import type { Context } from '../context.ts';
import { isNamed } from '../http/errors.ts';
import type { ServedModel } from './served.ts';

/** @throws ApiError 503 when there is no model, or none to chat with */
export async function modelDefaults(ctx: Context) {
  const served = servedHashes(await freshCluster(ctx.redis));
  const model = await ctx.models.load(await ctx.models.resolve(null, served));
  const params = resolveParams({}, model, {
    promptTokens: 0,
    promptField: 'messages',
    defaultMaxTokens: ctx.config.defaultMaxTokens,
  });
  return {
    model: model.name,
    context: model.context,
    temperature: params.temperature,
    topP: params.topP,
    maxTokens: params.maxTokens,
    thinking: canThink(model),
  };
}

/** Whether the template makes a difference between the two. */
function canThink({ template }: ServedModel): boolean {
  const render = (thinking: boolean) =>
    template.render([{ role: 'user', content: 'Hi' }], { thinking, addGenerationPrompt: true });
  try {
    return render(true) !== render(false);
  } catch (error) {
    if (isNamed(error, 'ModelError')) return false;
    throw error;
  }
}
