/** What is done in Redis about a node whose key was revoked, or that an admin evicted. */
import type { Redis } from './connection.ts';
import { tellCoordinator } from './control.ts';
import { deleteNodeUser } from './node-acl.ts';

/**
 * Ends the node's Redis user, and with it all its connections at once, and tells the coordinator to read
 * the node's row again, so that its jobs move on. Harmless for a node that has no user here: where nodes
 * have a Redis of their own, the coordinator ends the user. Its lease must have ended in the database
 * before, or it would get a new user by its next heartbeat.
 */
export async function cutNode(redis: Redis, nodeId: string): Promise<void> {
  await deleteNodeUser(redis, nodeId);
  await tellCoordinator(redis, { type: 'node', nodeId });
}
