import { route } from '@/server/http/route';
import { modelObjects } from '@/server/model/openai';

export const dynamic = 'force-dynamic';

export const GET = route({
  keyed: true,
  async handler({ ctx }) {
    return { object: 'list', data: modelObjects(await ctx.models.list()) };
  },
});
