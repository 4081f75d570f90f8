/** The network of one stage: directly where that works, through Redis where not. */
import { createPrivateKey } from 'node:crypto';
import type { QueueLogger } from '@blyan/queue/connection';
import { EngineError } from '../engine/errors.ts';
import type { Assigned } from '../engine/messages.ts';
import { DirectNet } from './direct-net.ts';
import type { Membership } from './member.ts';
import type { StageNet } from './net.ts';
import { RedisNet } from './redis-net.ts';

/** @throws EngineError ASSIGNMENT_CHANGED when the assignment does not name this node */
export function membershipOf({ assignment, nodeId }: Assigned): Membership {
  const index = assignment.stages.findIndex((stage) => stage.nodeId === nodeId);
  if (index >= 0) return { assignment, index };
  throw new EngineError('ASSIGNMENT_CHANGED', { nodeId }, 'The assignment is not for this node.');
}

export async function openStageNet(
  assigned: Assigned,
  notice: (text: string) => void,
): Promise<StageNet> {
  const member = membershipOf(assigned);
  const said = (fields: object, message: string) =>
    notice(`${message} ${(fields as { problem?: string }).problem ?? ''}`.trim());
  const logger: QueueLogger = { info: () => undefined, warn: said, error: said };
  const redis = await RedisNet.open(member, assigned, logger);
  const { key: pem, listen } = assigned;
  if (pem === undefined) return redis;
  const key = createPrivateKey(pem);
  try {
    return await DirectNet.open(member, redis, { key, listen: listen ?? null, notice });
  } catch (error) {
    // The port is taken, say: the stage before this one finds nobody there, and uses Redis.
    notice(`cannot listen for other nodes: ${(error as Error).message}`);
    return await DirectNet.open(member, redis, { key, listen: null, notice });
  }
}
