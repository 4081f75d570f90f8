/** Nodes as admins see them: rows of the database with what the coordinator hears from the live ones. */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { freshCluster } from '../cluster.ts';
import type { Context } from '../context.ts';

/** The newest; more than that no table shows. */
const MAX_ROWS = 500;

type NodeState =
  | ClusterStatus['nodes'][number]['status']['state']
  /** It was heard before, and is silent now. */
  | 'silent'
  /** The coordinator does not know it. */
  | 'gone'
  | 'evicted';

export interface NodeRow {
  id: string;
  state: NodeState;
  keyName: string | null;
  version: string | null;
  host: string | null;
  address: string | null;
  /** Hex hash of the model block, and its name where the chain has it. */
  model: { hash: string; name: string | null } | null;
  /** First and last, inclusive. */
  layers: [number, number] | null;
  provider: string | null;
  memoryBytes: number | null;
  residentBytes: number | null;
  tokensPerSecond: number | null;
  /** As the coordinator counts them. */
  running: number | null;
  waiting: number | null;
  slots: number | null;
  /** Unix ms. */
  seenAt: number;
  registeredAt: number;
  draining: boolean;
  mark: string | null;
  failure: string | null;
}

export interface NodeList {
  /** Unix ms of the coordinator's view; null: it is not running. */
  at: number | null;
  waiting: number;
  nodes: NodeRow[];
}

export async function listNodes(ctx: Pick<Context, 'db' | 'redis' | 'models'>): Promise<NodeList> {
  const [rows, cluster, models] = await Promise.all([
    ctx.db.node.findMany({
      include: { key: { select: { name: true } } },
      orderBy: { lastSeenAt: 'desc' },
      take: MAX_ROWS,
    }),
    freshCluster(ctx.redis),
    ctx.models.list(),
  ]);
  const live = new Map(cluster?.nodes.map((node) => [node.id, node]));
  const names = new Map(models.map(({ hash, name }) => [hash, name]));
  const nodes = rows.map((row): NodeRow => {
    const node = live.get(row.id);
    const status = node?.alive ? node.status : undefined;
    return {
      id: row.id,
      state: stateOf(row.evictedAt, node),
      keyName: row.key?.name ?? null,
      version: status?.version ?? row.version,
      host: row.host,
      address: row.address,
      model: status?.model ? { hash: status.model, name: names.get(status.model) ?? null } : null,
      layers: status?.layers ?? null,
      provider: status?.numerics?.provider ?? null,
      memoryBytes: status?.capacity?.memoryBytes ?? null,
      residentBytes: status?.load?.residentBytes ?? null,
      tokensPerSecond: status?.load?.tokensPerSecond ?? null,
      running: node?.alive ? node.running : null,
      waiting: status?.load?.waiting ?? null,
      slots: status?.slots ?? null,
      seenAt: Math.max(node?.seen ?? 0, row.lastSeenAt.getTime()),
      registeredAt: row.registeredAt.getTime(),
      draining: row.draining,
      mark: row.mark,
      failure: status?.failure?.message ?? null,
    };
  });
  return { at: cluster?.at ?? null, waiting: cluster?.waiting ?? 0, nodes };
}

function stateOf(
  evictedAt: Date | null,
  node: ClusterStatus['nodes'][number] | undefined,
): NodeState {
  if (evictedAt) return 'evicted';
  if (!node) return 'gone';
  return node.alive ? node.status.state : 'silent';
}
