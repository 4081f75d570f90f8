/** What is done in Redis about a node whose key was revoked, or that an admin evicted. */
import type { Redis } from './connection.ts';
import { tellCoordinator } from './control.ts';
import { nodePrefix } from './names.ts';

/**
 * Ends the node's Redis user, and with it all its connections at once, and tells the coordinator to
 * read the node's row again, so that its jobs move on. Harmless for a node that has no user. Its
 * lease must have ended in the database before, or it would get a new user by its next heartbeat.
 */
export async function cutNode(redis: Redis, nodeId: string): Promise<void> {
  // The user is named by the prefix that it opens.
  await redis.call('ACL', 'DELUSER', nodePrefix(nodeId));
  await tellCoordinator(redis, { type: 'node', nodeId });
}
