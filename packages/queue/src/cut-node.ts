/** What is done in Redis about a node whose key was revoked, or that an admin evicted. */
import type { Redis } from './connection.ts';
import { tellCoordinator } from './control.ts';

/**
 * Tells the coordinator to look at the node's row now: it ends the node's Redis user, and with it all its
 * connections, and its jobs move on. A lost message costs a fraction of a second, for the coordinator
 * looks by itself as well.
 */
export async function cutNode(redis: Redis, nodeId: string): Promise<void> {
  await tellCoordinator(redis, { type: 'node', nodeId });
}
