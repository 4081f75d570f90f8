/**
 * The canonical stream of one answer, `gen:{requestId}`: written by the coordinator only, read by
 * the web app. Entry ids order it and make repeats impossible:
 *
 * | event | entry id |
 * | --- | --- |
 * | tokens at output position p | `{p+1}-0` |
 * | phase or attempt after n tokens | `{n}-*` |
 * | finish or error after n tokens | `{n+1}-0` |
 */
import { z } from 'zod';
import { Hash, NodeId, RequestId, TokenId } from './ids.ts';
import { MAX_ERROR_CHARS, MAX_EVENT_TOKENS } from './limits.ts';
import { NumericsProfile } from './node.ts';
import { SamplingParams, TokenLogprobs } from './sampling.ts';

export const BlockRef = z.object({
  chain: z.enum(['A', 'B', 'L']),
  height: z.number().int().min(0),
  hash: Hash,
});
export type BlockRef = z.infer<typeof BlockRef>;

export const Usage = z.object({
  promptTokens: z.number().int().min(0),
  completionTokens: z.number().int().min(0),
});
export type Usage = z.infer<typeof Usage>;

/** What ran where: stored with the answer, shown with it, later signed by the nodes. */
export const Receipt = z.object({
  v: z.literal(1),
  requestId: RequestId,
  genesis: Hash,
  model: z.object({ name: z.string(), block: BlockRef }),
  /** In order: embedding, layers, norm, head. */
  layerBlocks: z.array(BlockRef.extend({ group: z.string() })),
  nodes: z.array(
    z.object({
      id: NodeId,
      attempt: z.number().int().min(1),
      layers: z.tuple([z.number().int(), z.number().int()]),
      numerics: NumericsProfile,
      /** Output positions that this node wrote, first inclusive, last exclusive. */
      positions: z.tuple([z.number().int(), z.number().int()]),
    }),
  ),
  params: SamplingParams,
  /** SHA-256 over salt, prompt ids and output ids; see docs. The salt is kept with the answer. */
  tokens: z.object({ salt: Hash, hash: Hash }),
  usage: Usage,
  finishReason: z.enum(['stop', 'length', 'cancelled']),
  timings: z.object({
    queuedMs: z.number(),
    firstTokenMs: z.number().nullable(),
    totalMs: z.number(),
    /** Output tokens behind the first one per second between first and last token. */
    tokensPerSecond: z.number().nullable(),
  }),
  createdAt: z.number().int(),
});
export type Receipt = z.infer<typeof Receipt>;

/**
 * Output positions of the tokens whose text is out with this event, in order; only where
 * log-probabilities were asked for. Tokens without a place in the text (of the thinking part, or
 * reaching into a stop string) are never in it.
 */
const Shown = z.array(z.number().int().min(0));

export const AnswerPhase = z.object({
  type: z.literal('phase'),
  phase: z.enum(['queued', 'waiting', 'prefill']),
  /** Requests ahead of this one, while queued. */
  ahead: z.number().int().min(0).optional(),
  done: z.number().int().min(0).optional(),
  total: z.number().int().min(0).optional(),
  /** Why it waits, in words for the reader. */
  reason: z.string().max(MAX_ERROR_CHARS).optional(),
});
export const AnswerTokens = z.object({
  type: z.literal('tokens'),
  position: z.number().int().min(0),
  tokens: z.array(TokenId).min(1).max(MAX_EVENT_TOKENS),
  /** Whole characters that became certain with these tokens; may be empty. */
  text: z.string(),
  /** The same, of the thinking part, split off by token ids. */
  thinking: z.string().optional(),
  /** One for each token, where they were asked for. Not for readers before the token is shown. */
  logprobs: z.array(TokenLogprobs).max(MAX_EVENT_TOKENS).optional(),
  shown: Shown.optional(),
});
export const AnswerAttempt = z.object({
  type: z.literal('attempt'),
  attempt: z.number().int().min(1),
  reason: z.string().max(MAX_ERROR_CHARS),
});
export const AnswerFinish = z.object({
  type: z.literal('finish'),
  reason: z.enum(['stop', 'length', 'cancelled']),
  /** Characters that were held back behind the last tokens. */
  text: z.string(),
  shown: Shown.optional(),
  usage: Usage,
  receipt: Receipt,
});
export const AnswerError = z.object({
  type: z.literal('error'),
  code: z.string().max(64),
  message: z.string().max(MAX_ERROR_CHARS),
});
export const AnswerEvent = z.discriminatedUnion('type', [
  AnswerPhase,
  AnswerTokens,
  AnswerAttempt,
  AnswerFinish,
  AnswerError,
]);
export type AnswerEvent = z.infer<typeof AnswerEvent>;
export type AnswerFinish = z.infer<typeof AnswerFinish>;
export type AnswerError = z.infer<typeof AnswerError>;
