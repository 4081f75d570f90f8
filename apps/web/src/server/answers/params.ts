/** Resolves what a request left open: the model's own recommendations, then the neutral value. */
import { randomInt } from 'node:crypto';
import type { SamplingParams } from '@blyan/protocol/sampling';
import { ApiError } from '../http/errors.ts';

export interface AskedParams {
  maxTokens?: number | null | undefined;
  /** The field's name in the request, for errors. */
  maxTokensField?: string;
  temperature?: number | null | undefined;
  topP?: number | null | undefined;
  topK?: number | null | undefined;
  minP?: number | null | undefined;
  seed?: number | null | undefined;
}

export interface ModelDefaults {
  context: number;
  generation: { temperature?: number; topP?: number; topK?: number; minP?: number };
}

/** Short enough to be read out and typed in again. */
const SEEDS = 2 ** 32;

/** @throws ApiError 400 context_length_exceeded, out_of_range */
export function resolveParams(
  asked: AskedParams,
  model: ModelDefaults,
  input: { promptTokens: number; promptField: string; defaultMaxTokens: number },
): SamplingParams {
  const room = model.context - input.promptTokens;
  if (room < 1)
    throw new ApiError(
      400,
      'context_length_exceeded',
      `The prompt has ${input.promptTokens} tokens; with room for an answer the model takes at most ${model.context - 1}.`,
      { param: input.promptField },
    );
  const maxTokens = asked.maxTokens ?? Math.min(room, input.defaultMaxTokens);
  if (maxTokens < 1 || maxTokens > room)
    throw new ApiError(
      400,
      'out_of_range',
      `With this prompt of ${input.promptTokens} tokens, the answer can have 1 to ${room} tokens (context ${model.context}).`,
      { param: asked.maxTokensField ?? 'max_tokens' },
    );
  const { generation } = model;
  return {
    maxTokens,
    // The wire allows up to 2; a checkpoint may recommend more.
    temperature: asked.temperature ?? Math.min(generation.temperature ?? 1, 2),
    // 0 would leave no token at all.
    topP: asked.topP ?? (generation.topP || 1),
    topK: Math.max(0, asked.topK ?? generation.topK ?? 0),
    minP: asked.minP ?? generation.minP ?? 0,
    seed: asked.seed ?? randomInt(SEEDS),
  };
}
