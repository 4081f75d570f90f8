/**
 * What a node's own keys make fail. Its Redis user may write them as it likes, so that a command of
 * ours on them may be refused; that is to cost this node, and nobody else.
 */
import { QueueError } from './errors.ts';

/** Redis's words for a command on a key of another type: that node alone writes its keys, but for us. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('WRONGTYPE');

/** The rest of what a key's contents can cause; no word of the server's own state (OOM, LOADING) begins so. */
const REFUSED = /^ERR /;

/** What no honest node does with its keys. @param problem completes "worker x ..." */
export const forged = (nodeId: string, problem: string, cause?: unknown): QueueError =>
  new QueueError('KEYS_FORGED', problem, { nodeId }, { cause });

/** @throws QueueError KEYS_FORGED, KEYS_REFUSED; what else `doing` throws, as it is */
export async function onKeysOf<T>(nodeId: string, doing: Promise<T>): Promise<T> {
  try {
    return await doing;
  } catch (error) {
    if (isWrongType(error)) throw forged(nodeId, 'made a key of its own something else', error);
    const { message } = error as Error;
    if (!REFUSED.test(message)) throw error;
    throw new QueueError('KEYS_REFUSED', message, { nodeId }, { retry: true, cause: error });
  }
}
