/**
 * Messages between the coordinator and a GPU node. A node is somebody else's computer: everything
 * that it writes is parsed with these schemas and checked against its assignment.
 */
import { z } from 'zod';
import { AssignmentId, BlobUrl, PeerAddress } from './assignment.ts';
import { Hash, NodeId, RequestId, TokenId } from './ids.ts';
import {
  MAX_BLOB_CHUNKS,
  MAX_ERROR_CHARS,
  MAX_EVENT_TOKENS,
  MAX_JOB_STOP_TOKENS,
  MAX_PROMPT_TOKENS,
  MAX_WRONG_BLOBS,
} from './limits.ts';
import { SamplingParams, TokenLogprobs } from './sampling.ts';

/**
 * What a node says ends in rows, logs and terminals. Postgres takes U+0000 neither in text nor in
 * jsonb, and other control characters move cursors.
 */
export const code = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[\x20-\x7e]*$/, 'expected printable ASCII');
export const message = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u, 'expected no control characters');
/** Text as `NodeFailure.message` and notices may have it; line breaks become spaces. */
export const withoutControls = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** One attempt at one answer, as put into a node's own queue. */
export const NodeJob = z.object({
  requestId: RequestId,
  /** Fences late writers: events of any other attempt are dropped. */
  attempt: z.number().int().min(1),
  /** Block hash of the model block (chain A). */
  model: Hash,
  /** Token ids of the rendered prompt. */
  prompt: z.array(TokenId).min(1).max(MAX_PROMPT_TOKENS),
  /** Tokens that earlier attempts already emitted; generation goes on behind them. */
  emitted: z.array(TokenId).max(MAX_PROMPT_TOKENS),
  params: SamplingParams,
  /**
   * Ids that end the answer, the model's and those of the request; the id itself is emitted as the
   * last token.
   */
  stopTokens: z.array(TokenId).max(MAX_JOB_STOP_TOKENS),
  /**
   * Milliseconds from now after which nobody waits any more: clocks of nodes may be wrong. The
   * coordinator holds the deadline itself; for a node it is the bound of useless work.
   */
  remainingMs: z.number().int().min(0),
});
export type NodeJob = z.infer<typeof NodeJob>;

export const LoadProgress = z.object({
  phase: z.enum(['sync', 'fetch', 'verify', 'build']),
  done: z.number().min(0),
  total: z.number().min(0),
  unit: z.enum(['blocks', 'bytes', 'layers']),
});
export type LoadProgress = z.infer<typeof LoadProgress>;

/** What a node computes with. Bit equality is promised only between equal profiles. */
export const NumericsProfile = z.object({
  /** For example `cpu`, `webgpu`, `cuda`. */
  provider: code(32),
  /** Name and version of the runtime. */
  runtime: code(64),
  /** Stored formats and the deterministic transforms applied to them, e.g. `bf16>f32`. */
  weights: z.array(code(64)).max(16),
  /** Arithmetic of the matrix products, e.g. `f32` or `int8-activations`. */
  matmul: code(32),
  kv: code(16),
  /** `f16` when hidden states were rounded between stages; f32 frames change no bit. */
  frames: code(16).optional(),
});
export type NumericsProfile = z.infer<typeof NumericsProfile>;

export const NodeFailure = z.object({
  code: code(64),
  message: message(MAX_ERROR_CHARS),
});
export type NodeFailure = z.infer<typeof NodeFailure>;

/** What a node has, as far as a plan needs it. A claim, until its work shows otherwise. */
export const NodeCapacity = z.object({
  /** Bytes for weights and KV cache. */
  memoryBytes: z.number().int().min(0),
  /** Measured: bytes of stored weights that one decode step goes through in a second. */
  weightBytesPerSecond: z.number().min(0),
  /** Where other nodes reach this one directly. */
  addresses: z.array(PeerAddress).max(8),
  /** Base URL at which it serves the verified blobs that it has. */
  blobUrl: BlobUrl.optional(),
});
export type NodeCapacity = z.infer<typeof NodeCapacity>;

/** Measured way to another node of the same pipeline. */
export const NodeLink = z.object({
  nodeId: NodeId,
  transport: z.enum(['redis', 'direct']),
  /** Round trip of a small frame. */
  ms: z.number().min(0),
});
export type NodeLink = z.infer<typeof NodeLink>;

/** What a node does now, for pages and plans. */
export const NodeLoad = z.object({
  running: z.number().int().min(0),
  waiting: z.number().int().min(0),
  /** Of all its sequences together, over the last seconds. */
  tokensPerSecond: z.number().min(0),
  residentBytes: z.number().int().min(0),
});
export type NodeLoad = z.infer<typeof NodeLoad>;

/** Wrong bytes that a source of blobs sent to this node. The leader looks for itself before it believes it. */
export const WrongBlob = z.object({
  /** Base URL of the source. */
  source: BlobUrl,
  root: Hash,
  /** null: the list of leaf hashes. */
  chunk: z.number().int().min(0).max(MAX_BLOB_CHUNKS).nullable(),
});
export type WrongBlob = z.infer<typeof WrongBlob>;

/** Written to the node's stream on every change and at least every HEARTBEAT_MS. */
export const NodeStatus = z.object({
  type: z.literal('status'),
  /** New at each start of the worker: a changed boot id means that all its jobs are gone. */
  boot: code(64),
  version: code(32),
  /** `idle`: it has no assignment. */
  state: z.enum(['idle', 'loading', 'ready', 'failed', 'draining']),
  /** The assignment that `state` is about. */
  assignment: AssignmentId.optional(),
  capacity: NodeCapacity.optional(),
  links: z.array(NodeLink).max(256).optional(),
  load: NodeLoad.optional(),
  model: Hash.optional(),
  /** Layers that this node holds, first and last inclusive. */
  layers: z.tuple([z.number().int().min(0), z.number().int().min(0)]).optional(),
  numerics: NumericsProfile.optional(),
  slots: z.number().int().min(0).max(4096),
  /** Longest prompt plus answer in tokens that this node accepts. */
  context: z.number().int().min(0).optional(),
  progress: LoadProgress.optional(),
  failure: NodeFailure.optional(),
  /** Things that went wrong and were put right, e.g. a blob that was refetched. */
  notices: z.array(message(MAX_ERROR_CHARS)).max(16).optional(),
  /** The newest ones since its engine started, one for each source. */
  wrongBlobs: z.array(WrongBlob).max(MAX_WRONG_BLOBS).optional(),
});
export type NodeStatus = z.infer<typeof NodeStatus>;

const ofAttempt = { requestId: RequestId, attempt: z.number().int().min(1) };

/** The prompt is being read: `done` of `total` tokens are in the KV cache. */
export const NodePrefill = z.object({
  type: z.literal('prefill'),
  ...ofAttempt,
  done: z.number().int().min(0),
  total: z.number().int().min(1),
});
/** Tokens at output positions `position`, `position + 1`, ... (0 is the first of the answer). */
export const NodeTokens = z.object({
  type: z.literal('tokens'),
  ...ofAttempt,
  position: z.number().int().min(0),
  tokens: z.array(TokenId).min(1).max(MAX_EVENT_TOKENS),
  /** One for each token; there if and only if `params.logprobs` is not null. */
  logprobs: z.array(TokenLogprobs).max(MAX_EVENT_TOKENS).optional(),
});
/** The node has ended this attempt. Why is decided by the coordinator from the tokens. */
export const NodeDone = z.object({
  type: z.literal('done'),
  ...ofAttempt,
  /** Number of tokens of the answer, earlier attempts included. */
  count: z.number().int().min(0),
  prefillMs: z.number().min(0),
  decodeMs: z.number().min(0),
});
export const NodeFail = z.object({
  type: z.literal('fail'),
  ...ofAttempt,
  ...NodeFailure.shape,
  /** Whether another attempt can succeed, in the node's opinion. */
  retry: z.boolean(),
  /** The stage of its pipeline that broke down, in its opinion. */
  culprit: NodeId.optional(),
});
export const NodeEvent = z.discriminatedUnion('type', [
  NodeStatus,
  NodePrefill,
  NodeTokens,
  NodeDone,
  NodeFail,
]);
export type NodeEvent = z.infer<typeof NodeEvent>;

/** Published by the coordinator on the node's control channel. */
export const NodeControl = z.discriminatedUnion('type', [
  z.object({ type: z.literal('cancel'), ...ofAttempt }),
  z.object({ type: z.literal('drain') }),
  /** A hint: the node's assignment key has changed. */
  z.object({ type: z.literal('assignment') }),
]);
export type NodeControl = z.infer<typeof NodeControl>;

/** A node that was silent for NODE_LOST_MS is lost, and its answers move on. */
export const HEARTBEAT_MS = 1000;
export const NODE_LOST_MS = 4000;
