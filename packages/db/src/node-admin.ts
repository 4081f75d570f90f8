/** What admins decide about a node. The caller tells the node and the coordinator afterwards. */
import { type Actor, appendAudit } from './audit-log.ts';
import type { Db, Node, Tx } from './client.ts';
import { DbError } from './errors.ts';

const audited = (node: Node) => ({
  draining: node.draining,
  evictedAt: node.evictedAt,
  mark: node.mark,
});

/** It takes no further work, or does again. @throws DbError NODE_UNKNOWN */
export function drainNode(db: Db, id: string, draining: boolean, actor: Actor): Promise<Node> {
  const action = draining ? 'node.drain' : 'node.undrain';
  return changeNode(db, { id, action, actor }, (tx) =>
    tx.node.update({ where: { id }, data: { draining } }),
  );
}

/** Ends its lease and refuses it at registration until `liftNode`. @throws DbError NODE_UNKNOWN */
export function evictNode(db: Db, id: string, actor: Actor): Promise<Node> {
  return changeNode(db, { id, action: 'node.evict', actor }, (tx, node) =>
    tx.node.update({
      where: { id },
      data: { evictedAt: node.evictedAt ?? new Date(), leaseUntil: null },
    }),
  );
}

/** Forgets eviction, draining and mark: it may register and be chosen again. @throws DbError NODE_UNKNOWN */
export function liftNode(db: Db, id: string, actor: Actor): Promise<Node> {
  return changeNode(db, { id, action: 'node.lift', actor }, (tx) =>
    tx.node.update({
      where: { id },
      data: { evictedAt: null, draining: false, mark: null, markedAt: null },
    }),
  );
}

async function changeNode(
  db: Db,
  { id, action, actor }: { id: string; action: string; actor: Actor },
  change: (tx: Tx, node: Node) => Promise<Node>,
): Promise<Node> {
  return await db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "Node" WHERE id = ${id} FOR UPDATE`;
    const node = await tx.node.findUnique({ where: { id } });
    if (!node) throw new DbError('NODE_UNKNOWN', `No node "${id}" has ever registered.`, { id });
    const changed = await change(tx, node);
    const subject = `node:${id}`;
    await appendAudit(tx, {
      actor,
      action,
      subject,
      before: audited(node),
      after: audited(changed),
    });
    return changed;
  });
}
