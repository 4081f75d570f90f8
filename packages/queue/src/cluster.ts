/** The coordinator's view of the nodes: one key that expires when the coordinator is gone. */
import { ClusterStatus } from '@blyan/protocol/cluster';
import type { Redis } from './connection.ts';
import { CLUSTER_KEY } from './names.ts';
import { setInTerm, type Term } from './term.ts';

/** Written each second: three missed writes mean that there is no coordinator. */
const CLUSTER_TTL_MS = 4000;

/** @throws QueueError DEPOSED, and what Redis says */
export async function writeCluster(redis: Redis, term: Term, status: ClusterStatus): Promise<void> {
  await setInTerm(redis, term, CLUSTER_KEY, JSON.stringify(status), CLUSTER_TTL_MS);
}

/** Null when no coordinator is running. */
export async function readCluster(redis: Redis): Promise<ClusterStatus | null> {
  const text = await redis.get(CLUSTER_KEY);
  if (text === null) return null;
  const status = ClusterStatus.safeParse(JSON.parse(text));
  return status.success ? status.data : null;
}
