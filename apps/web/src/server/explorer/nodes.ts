/** A worker, for everybody: nothing of where it runs, and of answers their number only. */
import { toHex } from '@blyan/chain/hex';
import { workOfNode } from '@blyan/db/node-work';
import type { NodeDetails } from '@blyan/protocol/explorer';
import { freshCluster } from '../cluster.ts';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';

/** @throws ApiError 404 */
export async function readNode(ctx: Context, id: string): Promise<NodeDetails> {
  const [row, { work, more }, cluster] = await Promise.all([
    ctx.db.node.findUnique({ where: { id } }),
    workOfNode(ctx.db, id),
    freshCluster(ctx.redis),
  ]);
  if (!row) throw notFound('node_not_found', `No worker ${id} has ever registered here.`, 'id');
  const live = cluster?.nodes.find((node) => node.id === id && node.alive);
  return {
    id,
    publicKey: row.publicKey && toHex(row.publicKey),
    version: row.version,
    registeredAt: row.registeredAt.getTime(),
    lastSeenAt: Math.max(row.lastSeenAt.getTime(), live?.seen ?? 0),
    excluded: row.evictedAt
      ? 'evicted'
      : row.mark
        ? 'distrusted'
        : row.draining
          ? 'draining'
          : null,
    now: live
      ? {
          state: live.status.state,
          running: live.running,
          model: live.status.model ?? null,
          layers: live.status.layers ?? null,
          numerics: live.status.numerics ?? null,
        }
      : null,
    work: work.map((part) => ({
      ...part,
      model: toHex(part.model),
      first: part.first.getTime(),
      last: part.last.getTime(),
    })),
    moreWork: more,
  };
}
