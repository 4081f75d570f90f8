/**
 * The HTTP API of the explorer: blocks, blobs, proofs, tensors, models and the search. Hashes are lowercase
 * hex, times are milliseconds since 1970, sizes are bytes. Lists go on with the cursor under `next`, which
 * is to be passed as it is; null is the end.
 */
import { z } from 'zod';
import { Receipt } from './answer.ts';
import { ChainId, Hash, NodeId, RequestId } from './ids.ts';
import { NumericsProfile } from './node.ts';

/** Rows of one answer. */
export const MAX_ROWS = 500;
/** Longest text that is searched for. */
export const MAX_SEARCH = 256;
/** Points of a chart: one for each pixel column of a wide one would be more than anybody sees. */
export const MAX_POINTS = 500;

const MAX_HEIGHT = 0x7fffffff;
const queryNumber = z.coerce.number();
const height = queryNumber.pipe(z.number().int().min(0).max(MAX_HEIGHT));
const limit = queryNumber.pipe(z.number().int().min(1).max(MAX_ROWS)).default(50);
const order = z.enum(['asc', 'desc']);
/** PostgreSQL has no NUL in text, and no name has a control character. */
const PRINTABLE = /^\P{Cc}*$/u;
const text = z
  .string()
  .trim()
  .min(1)
  .max(MAX_SEARCH)
  .regex(PRINTABLE, 'expected no control characters');

/** `csv` asks for a table; so does `Accept: text/csv`. */
const listFormat = z.enum(['json', 'csv']).optional();

export const BlockType = z.enum(['genesis', 'model', 'authority', 'retire', 'layer', 'epoch']);
export const TensorFormat = z.enum(['f32', 'f16', 'bf16', 'fp8', 'q8', 'q4', 'nf4']);

/** Where a page of a sorted list ended: `[value of the sorted column, number of the row]`. */
const Place = z.tuple([
  z.union([z.string().max(512).regex(PRINTABLE), z.number().int()]),
  z.number().int().min(0).max(MAX_HEIGHT),
]);

export function encodeCursor({ key, id }: { key: string | number; id: number }): string {
  const bytes = new TextEncoder().encode(JSON.stringify([key, id]));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

const Cursor = z
  .string()
  .max(2048)
  .transform((value, ctx) => {
    try {
      const binary = atob(value.replaceAll('-', '+').replaceAll('_', '/'));
      const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
      const [key, id] = Place.parse(JSON.parse(new TextDecoder().decode(bytes)));
      return { key, id };
    } catch {
      ctx.addIssue({ code: 'custom', message: 'expected the `next` of the page before' });
      return z.NEVER;
    }
  });

/** `GET /chain/{id}/block/{ref}`: JSON for people (its `wire` is exact), or the bytes themselves. */
export const BlockQuery = z.object({
  format: z.enum(['json', 'cbor', 'header', 'body', 'signature']).default('json'),
});

/** `GET /proofs/inclusion`: that a block is in the log of the first `size` blocks. */
export const InclusionQuery = z.object({
  chain: ChainId,
  height,
  /** The present size without it. */
  size: height.optional(),
});

/** `GET /proofs/consistency`: that the log of `to` blocks begins with that of `from`. */
export const ConsistencyQuery = z.object({ chain: ChainId, from: height, to: height.optional() });

/** `GET /proofs/chunk`: that a chunk of 1 MiB is in a blob. */
export const ChunkProofQuery = z.object({
  root: Hash,
  index: queryNumber.pipe(
    z
      .number()
      .int()
      .min(0)
      .max(2 ** 20 - 1),
  ),
});

export const InclusionProof = z.object({
  chain: ChainId,
  height: z.number(),
  size: z.number(),
  /** SHA-256(0x00 ‖ block hash). */
  leaf: Hash,
  path: z.array(Hash),
});
export const ConsistencyProof = z.object({
  chain: ChainId,
  from: z.number(),
  to: z.number(),
  path: z.array(Hash),
});
export const ChunkProof = z.object({
  root: Hash,
  index: z.number(),
  /** Number of leaves. */
  size: z.number(),
  leaf: Hash,
  path: z.array(Hash),
});

/** `GET /chain`. */
export const ChainSummary = z.object({
  chain: ChainId,
  size: z.number(),
  head: Hash,
  /** Of headers, bodies and signatures. */
  bytes: z.number(),
  authors: z.array(Hash),
});

/** `GET /chain/{id}/growth`: number of blocks at moments spread evenly over its life. */
export const GrowthQuery = z.object({
  points: queryNumber.pipe(z.number().int().min(2).max(MAX_POINTS)).default(60),
  format: listFormat,
});

/** `GET /models`. */
export const ModelsQuery = z.object({
  q: text.optional(),
  sort: z.enum(['height', 'name', 'parameters']).default('height'),
  order: order.default('desc'),
  cursor: Cursor.optional(),
  limit,
  format: listFormat,
});

export const ModelSummary = z.object({
  hash: Hash,
  /** On chain A. */
  height: z.number(),
  name: z.string(),
  family: z.string(),
  parameters: z.number(),
  recipe: z.string(),
  layers: z.number(),
  /** Height of the block that retires it. */
  retired: z.number().nullable(),
});

/** `GET /models/{hash}`: sizes by layer and by role. */
export const ModelDetails = ModelSummary.extend({
  bytes: z.number(),
  tensors: z.number(),
  groups: z.array(
    z.object({
      group: z.string(),
      block: Hash,
      height: z.number().nullable(),
      tensors: z.number(),
      parameters: z.number(),
      bytes: z.number(),
      formats: z.array(z.string()),
    }),
  ),
  parts: z.array(
    z.object({
      role: z.string(),
      format: z.string(),
      tensors: z.number(),
      parameters: z.number(),
      bytes: z.number(),
    }),
  ),
});

/** `GET /models/{hash}/tensors`. `ordinal` is the model's own order. */
export const ModelTensorsQuery = z.object({
  /** Part of a name. */
  q: text.optional(),
  group: z.string().max(64).regex(PRINTABLE).optional(),
  tensorFormat: TensorFormat.optional(),
  sort: z.enum(['ordinal', 'name', 'byteLength', 'parameters']).default('ordinal'),
  order: order.default('asc'),
  cursor: Cursor.optional(),
  limit,
  format: listFormat,
});

export const TensorSummary = z.object({
  name: z.string(),
  role: z.string(),
  group: z.string(),
  dtype: z.string(),
  format: z.string(),
  shape: z.array(z.number()),
  parameters: z.number(),
  byteLength: z.number(),
  root: Hash,
  /** Layer block on chain B. */
  block: Hash,
  height: z.number(),
});

/** `GET /models/{hash}/diff`: tensors that differ between two models, by layer and name. */
export const ModelDiffQuery = z.object({
  with: Hash,
  cursor: Cursor.optional(),
  limit,
  format: listFormat,
});

export const TensorDifference = z.object({
  name: z.string(),
  here: TensorSummary.nullable(),
  there: TensorSummary.nullable(),
});

/** A layer block that holds a tensor, and the name that it has there. */
export const TensorUse = z.object({
  block: Hash,
  height: z.number(),
  group: z.string(),
  name: z.string(),
});

/** `GET /tensors/{root}/uses`: all layer blocks that hold it, newest first. */
export const TensorUsesQuery = z.object({ cursor: Cursor.optional(), limit, format: listFormat });

/** `GET /tensors/{root}`. `answers` says how many, not which: an answer's id is the right to read it. */
export const TensorDetails = TensorSummary.extend({
  leafSize: z.number(),
  chunks: z.number(),
  recipe: z.object({ name: z.string(), version: z.number() }),
  source: z.unknown(),
  /** Layer blocks that hold it, newest first; `moreUses`: there are others. */
  uses: z.array(TensorUse),
  moreUses: z.boolean(),
  /** Models that it is a part of, newest first, each with the layer block that it has it from. */
  models: z.array(ModelSummary.extend({ layer: TensorUse })),
  moreModels: z.boolean(),
  answers: z.object({ count: z.number(), more: z.boolean() }),
});

/**
 * `GET /nodes/{id}`: a worker that has registered, what it says of itself now, and what it did. Not which
 * answers: an answer's id is the right to read it.
 */
export const NodeDetails = z.object({
  id: NodeId,
  /** Ed25519, hex: the worker signs its registration with it. */
  publicKey: z.string().nullable(),
  version: z.string(),
  registeredAt: z.number(),
  lastSeenAt: z.number(),
  /** Why it gets no work; null: nothing stands against it. */
  excluded: z.enum(['draining', 'evicted', 'distrusted']).nullable(),
  /** Null while it does not report. */
  now: z
    .object({
      state: z.enum(['idle', 'loading', 'ready', 'failed', 'draining']),
      running: z.number(),
      model: Hash.nullable(),
      layers: z.tuple([z.number(), z.number()]).nullable(),
      numerics: NumericsProfile.nullable(),
    })
    .nullable(),
  /** Answers that it had a part in and that are still kept, by model. */
  work: z.array(
    z.object({
      model: Hash,
      name: z.string().nullable(),
      answers: z.number(),
      completed: z.number(),
      first: z.number(),
      last: z.number(),
    }),
  ),
  /** Older ones are not counted. */
  moreWork: z.boolean(),
});

export const ReceiptParams = z.object({
  id: RequestId.meta({ description: 'Of the answer: whoever knows it may read the answer, too.' }),
});

/** `GET /receipts/{id}`: what is known of an answer; its text is no part of it. */
export const ReceiptDetails = z.object({
  id: RequestId,
  status: z.enum(['queued', 'running', 'completed', 'cancelled', 'failed']),
  /** Hash of the model block. */
  model: Hash,
  createdAt: z.number(),
  finishedAt: z.number().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Null until the answer has ended, and of one that no worker finished. */
  receipt: Receipt.nullable(),
});

/** `GET /search`. */
export const SearchQuery = z.object({ q: text });

export const SearchResult = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('block'),
    chain: ChainId,
    height: z.number(),
    hash: Hash,
    blockType: BlockType,
    time: z.number(),
  }),
  z.object({ type: z.literal('tensor'), ...TensorSummary.shape }),
  z.object({
    type: z.literal('layer'),
    group: z.string(),
    model: z.string(),
    modelHash: Hash,
    block: Hash,
    height: z.number().nullable(),
  }),
  z.object({
    type: z.literal('file'),
    path: z.string(),
    sha256: Hash,
    /** Of the checkpoint that the model was made from; else kept beside the chain. */
    source: z.boolean(),
    model: z.string(),
    modelHash: Hash,
  }),
  z.object({ type: z.literal('model'), ...ModelSummary.shape }),
  z.object({ type: z.literal('node'), id: z.string() }),
  z.object({ type: z.literal('receipt'), id: RequestId }),
]);

/** `results` is empty when nothing matches, and `message` says so. */
export const SearchAnswer = z.object({
  query: z.string(),
  results: z.array(SearchResult),
  message: z.string().nullable(),
});

export type BlockQuery = z.infer<typeof BlockQuery>;
export type ChainSummary = z.infer<typeof ChainSummary>;
export type ChunkProof = z.infer<typeof ChunkProof>;
export type ConsistencyProof = z.infer<typeof ConsistencyProof>;
export type InclusionProof = z.infer<typeof InclusionProof>;
export type ModelDetails = z.infer<typeof ModelDetails>;
export type ModelDiffQuery = z.infer<typeof ModelDiffQuery>;
export type ModelsQuery = z.infer<typeof ModelsQuery>;
export type ModelSummary = z.infer<typeof ModelSummary>;
export type ModelTensorsQuery = z.infer<typeof ModelTensorsQuery>;
export type NodeDetails = z.infer<typeof NodeDetails>;
export type ReceiptDetails = z.infer<typeof ReceiptDetails>;
export type SearchAnswer = z.infer<typeof SearchAnswer>;
export type SearchResult = z.infer<typeof SearchResult>;
export type TensorDetails = z.infer<typeof TensorDetails>;
export type TensorDifference = z.infer<typeof TensorDifference>;
export type TensorUse = z.infer<typeof TensorUse>;
export type TensorUsesQuery = z.infer<typeof TensorUsesQuery>;
export type TensorSummary = z.infer<typeof TensorSummary>;
