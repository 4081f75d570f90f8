import { cutNode } from '@blyan/queue/cut-node';
import type { Context } from '../context.ts';

/**
 * Cuts nodes off whose leases have just ended in the database. The lease is the truth: should Redis
 * be away, then so are they, and they get no further user.
 */
export async function cutNodes(
  ctx: Pick<Context, 'redis' | 'logger'>,
  nodeIds: readonly string[],
): Promise<void> {
  const cuts = await Promise.allSettled(nodeIds.map((id) => cutNode(ctx.redis, id)));
  for (const [i, cut] of cuts.entries()) {
    if (cut.status === 'rejected')
      ctx.logger.error({ err: cut.reason, nodeId: nodeIds[i] }, 'a node could not be cut off');
  }
}
