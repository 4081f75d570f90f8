/** What the worker's main process and the engine process say to each other over IPC. */
import { Assignment } from '@blyan/protocol/assignment';
import { Hash, NodeId, RequestId } from '@blyan/protocol/ids';
import {
  type LoadProgress,
  type NodeEvent,
  NodeJob,
  type NodeLink,
  type NodeLoad,
  type NumericsProfile,
} from '@blyan/protocol/node';
import type { WrongBytes } from '@blyan/store/source-pool';
import { z } from 'zod';

/** Which part of which model this node is to run, and how it reaches the other parts. */
export const Assigned = z.object({
  assignment: Assignment,
  nodeId: NodeId,
  /** With this node's credentials; read when there are other stages. */
  redisUrl: z.url(),
  /** Certificate of who signed that server's, PEM. */
  redisCa: z.string().max(65_536).optional(),
  /** Private key of this node, PKCS #8 PEM; without it nothing goes directly. */
  key: z.string().max(4096).optional(),
  /** Where to listen for the stage before this one. */
  listen: z
    .object({ host: z.string().min(1), port: z.number().int().min(0).max(65535) })
    .optional(),
});
export type Assigned = z.infer<typeof Assigned>;

export const LoadCommand = z.object({
  type: z.literal('load'),
  /** Pinned hash of chain A's genesis, hex. */
  genesis: Hash,
  mainUrl: z.url(),
  /** Base URLs of blob sources, tried beside the main node. */
  sources: z.array(z.url()).max(128),
  storeDir: z.string().min(1),
  checkpointDir: z.string().min(1),
  /** Hash or name of the model block; absent for the newest that is not retired. */
  model: z.string().min(1).max(256).optional(),
  /** Absent: all layers. */
  assigned: Assigned.optional(),
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
  /** The same layers in another pipeline: they stay loaded. */
  z.object({ type: z.literal('assign'), assigned: Assigned }),
  z.object({ type: z.literal('submit'), job: NodeJob }),
  z.object({
    type: z.literal('cancel'),
    requestId: RequestId,
    attempt: z.number().int().min(1),
  }),
  z.object({ type: z.literal('drain') }),
]);
export type EngineCommand = z.infer<typeof EngineCommand>;

export interface EngineReady {
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

/** What can be seen of an engine that serves. */
export interface EngineStats {
  load: NodeLoad;
  links: NodeLink[];
  /** Of real decode steps; null before the first one. */
  weightBytesPerSecond: number | null;
}

export type EngineMessage =
  | { type: 'progress'; progress: LoadProgress }
  | { type: 'ready'; ready: EngineReady }
  /** The layers are loaded; the other stages of the pipeline are not there, or no longer. */
  | { type: 'connecting' }
  | { type: 'stats'; stats: EngineStats }
  | { type: 'failed'; code: string; message: string; retry: boolean }
  /** Something was wrong and has been put right. */
  | { type: 'notice'; message: string }
  /** A source of blobs sent wrong bytes; others were asked. */
  | { type: 'wrong-blob'; wrong: WrongBytes }
  | { type: 'event'; event: JobEvent }
  | { type: 'drained' };
