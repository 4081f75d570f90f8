/** Which nodes a plan may count on, and as what. */
import type { NodeRegistry, NodeView } from '../nodes.ts';
import type { PlanNode } from '../planning/fleet.ts';
import type { Links } from '../planning/links.ts';
import { membersOf } from './pipelines.ts';

/**
 * Whether a node may be a member of a pipeline now. One without a capacity plans for itself; of one whose
 * row was not read yet the key is not known, by which its neighbours would know it.
 */
export function canBeMember(node: NodeView, now: number): boolean {
  const { status, row } = node;
  const counts = row?.publicKey && status?.capacity !== undefined && status.state !== 'draining';
  return Boolean(counts) && node.isWelcome(now) && !node.health.isPaused(now);
}

/** As a plan sees them. Their numbers are their own word until their work shows otherwise. */
export function planNodes(nodes: readonly NodeView[], links: Links): PlanNode[] {
  const otherLinksMs = links.usualMs;
  return nodes.map(({ id, status }) => {
    const { capacity, numerics } = status ?? {};
    return {
      id,
      // Before it has loaded anything it does not say: the CPU's kernels need more memory.
      device: numerics && numerics.provider !== 'cpu' ? 'gpu' : 'cpu',
      memoryBytes: capacity?.memoryBytes ?? 0,
      bytesPerSecond: capacity?.weightBytesPerSecond ?? 0,
      links: links.of(id),
      otherLinksMs,
    };
  });
}

/**
 * Remembers what members of pipelines say of the way to the next one; of two that measured the same way,
 * the worse. A node's word counts for no other way: one that lies speaks of itself only.
 */
export function noteLinks(links: Links, nodes: NodeRegistry): void {
  const ms = (from: string, to: string) =>
    nodes.get(from)?.status?.links?.find(({ nodeId }) => nodeId === to)?.ms;
  for (const pipeline of nodes.pipelines.list()) {
    const members = membersOf(pipeline);
    if (members.length === 1) continue;
    for (const [i, id] of members.entries()) {
      const next = members[(i + 1) % members.length]!;
      const there = ms(id, next);
      if (there !== undefined) links.set(id, next, Math.max(there, ms(next, id) ?? 0));
    }
  }
}
