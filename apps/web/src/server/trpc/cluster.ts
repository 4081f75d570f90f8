import { availability, freshCluster, servedHashes } from '../cluster.ts';
import { toApiError } from '../http/errors.ts';
import { procedure, router } from './init.ts';

export const clusterRouter = router({
  /** Whether a question would be answered now; never fails, because the page shows what fails. */
  status: procedure.query(async ({ ctx }) => {
    try {
      const cluster = await freshCluster(ctx.redis);
      const model = await ctx.models.resolve(null, servedHashes(cluster));
      return {
        ...availability(cluster, model.hash),
        model: model.name,
        waiting: cluster?.waiting ?? 0,
        notices: cluster?.nodes.flatMap((node) => node.status.notices ?? []) ?? [],
      };
    } catch (error) {
      const { code, message } = toApiError(error);
      const state = { state: 'unavailable' as const, code, reason: message, command: null };
      return { ...state, model: null, waiting: 0, notices: [] };
    }
  }),
});
