/** Which nodes a plan may count on, and as what. */
import type { NodeView } from '../nodes.ts';
import type { PlanNode } from '../planning/fleet.ts';

/**
 * Whether a node may be a member of a pipeline now. One without a capacity plans for itself; of one whose
 * row was not read yet the key is not known, by which its neighbours would know it.
 */
export function canBeMember(node: NodeView, now: number): boolean {
  const { status, row } = node;
  const counts = row?.publicKey && status?.capacity !== undefined && status.state !== 'draining';
  return Boolean(counts) && node.isWelcome(now) && !node.health.isPaused(now);
}

/** As a plan sees it. Its numbers are its own word until its work shows otherwise. */
export function planNode({ id, status }: NodeView): PlanNode {
  const { capacity, links, numerics } = status ?? {};
  return {
    id,
    // Before it has loaded anything it does not say: the CPU's kernels need more memory.
    device: numerics && numerics.provider !== 'cpu' ? 'gpu' : 'cpu',
    memoryBytes: capacity?.memoryBytes ?? 0,
    bytesPerSecond: capacity?.weightBytesPerSecond ?? 0,
    links: new Map(links?.map(({ nodeId, ms }) => [nodeId, ms])),
  };
}
