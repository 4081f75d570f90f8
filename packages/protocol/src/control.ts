/** Messages to the coordinator on its pub/sub channel. Hints only: Postgres holds the truth. */
import { z } from 'zod';
import { NodeId, RequestId } from './ids.ts';

export const CoordinatorControl = z.discriminatedUnion('type', [
  /** `Request.cancelled` was set. */
  z.object({ type: z.literal('cancel'), requestId: RequestId }),
  /** A node has registered: its stream is worth following. */
  z.object({ type: z.literal('node'), nodeId: NodeId }),
]);
export type CoordinatorControl = z.infer<typeof CoordinatorControl>;
