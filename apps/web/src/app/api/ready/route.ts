import { route } from '@/server/http/route';
import { readiness } from '@/server/readiness';

export const dynamic = 'force-dynamic';

export const GET = route({
  async handler({ ctx }) {
    const state = await readiness(ctx);
    return Response.json(state, {
      status: state.ready ? 200 : 503,
      headers: { 'cache-control': 'no-store', ...(state.ready ? {} : { 'retry-after': '2' }) },
    });
  },
});
