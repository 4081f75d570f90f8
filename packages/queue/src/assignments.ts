/** What each node is to hold: one key under the node's own prefix, written by the coordinator. */
import { Assignment } from '@blyan/protocol/assignment';
import type { Redis } from './connection.ts';
import { nodeAssignment } from './names.ts';
import { setInTerm, type Term } from './term.ts';

/** Null: the node is to hold nothing. @throws QueueError DEPOSED, and what Redis says */
export async function writeAssignment(
  redis: Redis,
  term: Term,
  nodeId: string,
  assignment: Assignment | null,
): Promise<void> {
  const text = assignment === null ? null : JSON.stringify(assignment);
  await setInTerm(redis, term, nodeAssignment(nodeId), text);
}

/** Null when there is none, or one that cannot be read. */
export async function readAssignment(redis: Redis, nodeId: string): Promise<Assignment | null> {
  const text = await redis.get(nodeAssignment(nodeId));
  if (text === null) return null;
  try {
    return Assignment.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
