/**
 * Which node runs which layers. The coordinator plans pipelines and writes one assignment to each
 * of their nodes; a node without one holds no model.
 *
 * The head, stage 0, takes the jobs: it embeds tokens, runs the first layers, and at the end, when
 * the hidden states have come around, the final norm, the output head and the sampling. So the other
 * stages see neither prompts nor tokens, and a tied embedding exists once.
 */
import { z } from 'zod';
import { Hash, NodeId } from './ids.ts';

/** Fences what belongs to an earlier plan. */
export const AssignmentId = z.uuid();

/** Element type of the hidden states between stages; `f16` is a numerics profile of its own. */
export const FrameType = z.enum(['f32', 'f16']);
export type FrameType = z.infer<typeof FrameType>;
/** A pipeline then gives the bits of one worker. */
export const DEFAULT_FRAMES: FrameType = 'f32';

/** Raw Ed25519 public key, hex. */
export const PublicKey = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hex characters');

/** Where a node can be reached by other nodes, `host:port`. */
export const PeerAddress = z.string().regex(/^[\x21-\x7e]{1,255}:\d{1,5}$/, 'expected host:port');

/**
 * Base URL of a server of blobs. A node names it and other nodes ask it, with `/blobs/...` behind it:
 * a query, a fragment or a user would turn that into a request of the node's own choice.
 */
export const BlobUrl = z
  .url({ protocol: /^https?$/ })
  .max(512)
  .regex(/^[^?#@]+$/, 'expected no user, query or fragment');

/** Stages of one pipeline: one a layer at most; the deepest published dense models have 126. */
export const MAX_STAGES = 256;

/** Each slot costs a few microseconds in each layer; four keep a stage busy. */
export const DEFAULT_STAGE_SLOTS = 4;

export const Stage = z.object({
  nodeId: NodeId,
  publicKey: PublicKey,
  /** First and last layer, inclusive. */
  layers: z.tuple([z.number().int().min(0), z.number().int().min(0)]),
  /** Tried in order for a direct connection; empty: through Redis. */
  addresses: z.array(PeerAddress).max(8),
});
export type Stage = z.infer<typeof Stage>;

export const Assignment = z.object({
  id: AssignmentId,
  /** Block hash of the model block. */
  model: Hash,
  /** In the order of the layers: each layer exactly once, the head first. */
  stages: z.array(Stage).min(1).max(MAX_STAGES),
  frames: FrameType,
  /**
   * Sequences in one decode run, the same in all stages: whether a lone row gets company depends on
   * it, and so do the bits. Absent: DEFAULT_STAGE_SLOTS; with a single stage, what the node is set to.
   */
  slots: z.number().int().min(1).max(16).optional(),
  /** Base URLs of nodes that serve blobs, besides the main node; what they send is verified. */
  blobSources: z.array(BlobUrl).max(64).optional(),
});
export type Assignment = z.infer<typeof Assignment>;
