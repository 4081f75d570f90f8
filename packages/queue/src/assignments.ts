/** What each node is to hold: one key under the node's own prefix, written by the coordinator. */
import { Assignment } from '@blyan/protocol/assignment';
import type { Redis } from './connection.ts';
import { QueueError } from './errors.ts';
import { nodeAssignment } from './names.ts';
import { onKeysOf } from './node-faults.ts';
import { setInTerm, type Term } from './term.ts';

/** MAX_STAGES stages of a kilobyte. */
const MAX_CHARS = 512 * 1024;

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

/** Null when there is none. @throws QueueError MESSAGE_INVALID, KEYS_FORGED, and what Redis says */
export async function readAssignment(redis: Redis, nodeId: string): Promise<Assignment | null> {
  const text = await onKeysOf(nodeId, redis.get(nodeAssignment(nodeId)));
  if (text === null) return null;
  const assignment = text.length > MAX_CHARS ? undefined : parse(text);
  if (assignment?.stages.some((stage) => stage.nodeId === nodeId)) return assignment;
  const problem = 'the assignment cannot be read, or is for another node';
  throw new QueueError('MESSAGE_INVALID', problem, { nodeId });
}

function parse(text: string): Assignment | undefined {
  try {
    return Assignment.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
