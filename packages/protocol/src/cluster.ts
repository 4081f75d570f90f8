/** The coordinator's view of the nodes, kept in one expiring Redis key for /ready and pages. */
import { z } from 'zod';
import { NodeId } from './ids.ts';
import { NodeStatus } from './node.ts';

export const ClusterStatus = z.object({
  /** Unix ms. */
  at: z.number().int(),
  waiting: z.number().int().min(0),
  running: z.number().int().min(0),
  nodes: z.array(
    z.object({
      id: NodeId,
      alive: z.boolean(),
      /** It takes jobs now: alone, or as the head of a pipeline that is ready. */
      serving: z.boolean(),
      /** Unix ms of the last event. */
      seen: z.number().int(),
      running: z.number().int().min(0),
      status: NodeStatus,
    }),
  ),
});
export type ClusterStatus = z.infer<typeof ClusterStatus>;
