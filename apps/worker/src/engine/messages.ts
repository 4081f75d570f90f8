/** What the worker's main process and the engine process say to each other over IPC. */
import { Hash, RequestId } from '@blyan/protocol/ids';
import {
  type LoadProgress,
  type NodeEvent,
  NodeJob,
  type NumericsProfile,
} from '@blyan/protocol/node';
import { z } from 'zod';

export const LoadCommand = z.object({
  type: z.literal('load'),
  /** Pinned hash of chain A's genesis, hex. */
  genesis: Hash,
  mainUrl: z.url(),
  /** Base URLs of blob sources, tried beside the main node. */
  sources: z.array(z.url()).max(64),
  storeDir: z.string().min(1),
  checkpointDir: z.string().min(1),
  /** Hash or name of the model block; absent for the newest that is not retired. */
  model: z.string().min(1).max(256).optional(),
  /** 0 is one per core. */
  threads: z.number().int().min(0).max(1024),
  slots: z.number().int().min(1).max(256),
  /** Type of the cached K and V. */
  kv: z.enum(['f32', 'f16']),
  /** Bytes that all KV caches may take; 0 is half of what is free once the model is loaded. */
  kvBytes: z.number().int().min(0),
  /** Most that all blobs may take on disk; absent or 0 is no bound. */
  diskBytes: z.number().int().min(0).optional(),
});
export type LoadCommand = z.infer<typeof LoadCommand>;

export const EngineCommand = z.discriminatedUnion('type', [
  LoadCommand,
  z.object({ type: z.literal('submit'), job: NodeJob }),
  z.object({
    type: z.literal('cancel'),
    requestId: RequestId,
    attempt: z.number().int().min(1),
  }),
  z.object({ type: z.literal('drain') }),
]);
export type EngineCommand = z.infer<typeof EngineCommand>;

interface EngineReady {
  /** Block hash of the model block, hex. */
  model: string;
  name: string;
  layers: [first: number, last: number];
  numerics: NumericsProfile;
  /** Longest prompt plus answer in tokens. */
  context: number;
  slots: number;
}

/** What the engine says of one attempt, in the shape in which it goes to the coordinator. */
export type JobEvent = Exclude<NodeEvent, { type: 'status' }>;

export type EngineMessage =
  | { type: 'progress'; progress: LoadProgress }
  | { type: 'ready'; ready: EngineReady }
  | { type: 'failed'; code: string; message: string; retry: boolean }
  /** Something was wrong and has been put right. */
  | { type: 'notice'; message: string }
  | { type: 'event'; event: JobEvent }
  | { type: 'drained' };
