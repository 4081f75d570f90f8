import { z } from 'zod';
import { TokenId } from './ids.ts';
import { MAX_LOGIT_BIAS, MAX_STOP_TOKENS, MAX_TOP_LOGPROBS } from './limits.ts';

/** A model's own distribution: nothing is changed about it. */
export const NEUTRAL = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [] as [id: number, bias: number][],
  stopTokens: [] as number[],
  logprobs: null,
};

export const Penalty = z.number().min(-2).max(2);
export const RepetitionPenalty = z.number().gt(0).max(2);
export const Bias = z.number().min(-100).max(100);

/**
 * Parameters of one generation as every part of the system passes them on. Resolved: nothing is
 * optional, so that a receipt records exactly what was used. What has a default here was not known
 * to those who wrote the oldest rows: it was off. In which order they work: packages/model's
 * sampler-state.ts.
 */
export const SamplingParams = z.object({
  /** Upper bound of generated tokens, 1 or more. */
  maxTokens: z.number().int().min(1),
  /** 0 is greedy. */
  temperature: z.number().min(0).max(2),
  /** 1 is off. */
  topP: z.number().gt(0).max(1),
  /** 0 is off. */
  topK: z.number().int().min(0).max(0x7fffffff),
  /** 0 is off. */
  minP: z.number().min(0).max(1),
  /** Of tokens of prompt and answer; 1 is off. */
  repetitionPenalty: RepetitionPenalty.default(NEUTRAL.repetitionPenalty),
  /** Of tokens of the answer; 0 is off. */
  presencePenalty: Penalty.default(NEUTRAL.presencePenalty),
  /** The same, for each time. */
  frequencyPenalty: Penalty.default(NEUTRAL.frequencyPenalty),
  /** Each token at most once, ascending. */
  logitBias: z
    .array(z.tuple([TokenId, Bias]))
    .max(MAX_LOGIT_BIAS)
    .default(NEUTRAL.logitBias),
  /** Tokens that end the answer beside the model's own. */
  stopTokens: z.array(TokenId).max(MAX_STOP_TOKENS).default(NEUTRAL.stopTokens),
  /** Log-probabilities with so many alternatives; null is off. */
  logprobs: z.number().int().min(0).max(MAX_TOP_LOGPROBS).nullable().default(NEUTRAL.logprobs),
  /** Key of the counter-based noise. */
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
export type SamplingParams = z.infer<typeof SamplingParams>;

const Logprob = z.number().min(-9999).max(0);
/** What the model thought of a token, and of its likeliest alternatives, most likely first. */
export const TokenLogprobs = z.object({
  logprob: Logprob,
  top: z.array(z.tuple([TokenId, Logprob])).max(MAX_TOP_LOGPROBS),
});
export type TokenLogprobs = z.infer<typeof TokenLogprobs>;
