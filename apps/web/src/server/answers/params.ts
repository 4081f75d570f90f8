/** Resolves what a request left open: the model's own recommendations, then the neutral value. */
import { randomInt } from 'node:crypto';
import type { ChatRequest } from '@blyan/protocol/api';
import { NEUTRAL, type SamplingParams } from '@blyan/protocol/sampling';
import { ApiError } from '../http/errors.ts';

export interface AskedParams {
  maxTokens?: number | null | undefined;
  /** The field's name in the request, for errors. */
  maxTokensField?: string;
  temperature?: number | null | undefined;
  topP?: number | null | undefined;
  topK?: number | null | undefined;
  minP?: number | null | undefined;
  repetitionPenalty?: number | null | undefined;
  presencePenalty?: number | null | undefined;
  frequencyPenalty?: number | null | undefined;
  /** By token id. */
  logitBias?: Record<string, number> | null | undefined;
  stopTokens?: number[] | null | undefined;
  /** Alternatives with a log-probability; absent is off. */
  logprobs?: number | null | undefined;
  seed?: number | null | undefined;
}

/** What all generating routes call the same. */
type SharedFields = Omit<ChatRequest, 'prompt' | 'messages' | 'max_tokens' | 'max_new_tokens'>;

export function sharedParams(body: SharedFields): AskedParams {
  return {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    logitBias: body.logit_bias,
    stopTokens: body.stop_token_ids,
    seed: body.seed,
  };
}

export interface ModelDefaults {
  context: number;
  /** Token ids are below. */
  vocab: number;
  generation: {
    temperature?: number;
    topP?: number;
    topK?: number;
    minP?: number;
    repetitionPenalty?: number;
  };
}

/** Short enough to be read out and typed in again. */
const SEEDS = 2 ** 32;

/** @throws ApiError 400 context_length_exceeded, out_of_range */
export function resolveParams(
  asked: AskedParams,
  model: ModelDefaults,
  input: { promptTokens: number; promptField: string; defaultMaxTokens: number },
): SamplingParams {
  const { promptTokens, promptField, defaultMaxTokens } = input;
  const room = model.context - promptTokens;
  if (room < 1) throw contextExceeded(model, String(promptTokens), promptField);
  const maxTokens = asked.maxTokens ?? Math.min(room, defaultMaxTokens);
  if (maxTokens < 1 || maxTokens > room)
    throw tooLong(model, { maxTokens, promptTokens, param: asked.maxTokensField ?? 'max_tokens' });
  const { generation } = model;
  const logitBias = Object.entries(asked.logitBias ?? {})
    .map(([id, bias]): [number, number] => [Number(id), bias])
    .sort(([a], [b]) => a - b);
  const stopTokens = [...new Set(asked.stopTokens)];
  checkIds(
    logitBias.map(([id]) => id),
    'logit_bias',
    model,
  );
  checkIds(stopTokens, 'stop_token_ids', model);
  return {
    maxTokens,
    // The wire allows up to 2; a checkpoint may recommend more.
    temperature: asked.temperature ?? Math.min(generation.temperature ?? 1, 2),
    // 0 would leave no token at all.
    topP: asked.topP ?? (generation.topP || 1),
    topK: Math.max(0, asked.topK ?? generation.topK ?? 0),
    minP: asked.minP ?? generation.minP ?? 0,
    repetitionPenalty: asked.repetitionPenalty ?? Math.min(generation.repetitionPenalty || 1, 2),
    presencePenalty: asked.presencePenalty ?? NEUTRAL.presencePenalty,
    frequencyPenalty: asked.frequencyPenalty ?? NEUTRAL.frequencyPenalty,
    logitBias,
    stopTokens,
    logprobs: asked.logprobs ?? null,
    seed: asked.seed ?? randomInt(SEEDS),
  };
}

/**
 * Code and words are OpenAI's: clients cut a conversation shorter when they see them.
 * @param has how many tokens the prompt has, in words
 */
export const contextExceeded = (
  { context }: Pick<ModelDefaults, 'context'>,
  has: string,
  param: string,
): ApiError =>
  new ApiError(
    400,
    'context_length_exceeded',
    `This model's maximum context length is ${context} tokens. However, the prompt has ${has} tokens, and an answer needs room, too: send at most ${context - 1}.`,
    { param },
  );

/** An answer that would not fit behind its prompt, or that is longer than any that the model can give. */
function tooLong(
  { context }: Pick<ModelDefaults, 'context'>,
  { maxTokens, promptTokens, param }: { maxTokens: number; promptTokens: number; param: string },
): ApiError {
  const room = context - promptTokens;
  if (maxTokens >= context || maxTokens < 1)
    return new ApiError(
      400,
      'out_of_range',
      `${param} is ${maxTokens}; with this prompt of ${promptTokens} tokens, an answer can have 1 to ${room} (context ${context}).`,
      { param },
    );
  return new ApiError(
    400,
    'context_length_exceeded',
    `This model's maximum context length is ${context} tokens. However, you requested ${promptTokens + maxTokens} tokens (${promptTokens} in the prompt, ${maxTokens} for the answer): shorten the prompt, or ask for at most ${room}.`,
    { param },
  );
}

/** @throws ApiError 400 out_of_range */
export function checkIds(ids: number[], param: string, { vocab }: ModelDefaults): void {
  const foreign = ids.find((id) => id >= vocab);
  if (foreign === undefined) return;
  throw new ApiError(
    400,
    'out_of_range',
    `${param}: the model has no token ${foreign}; its ids are 0 to ${vocab - 1}.`,
    { param },
  );
}

/** 2^53: seeds are the integers below. */
const SEED_MODULUS = Number.MAX_SAFE_INTEGER + 1;

/** The seed of choice `index` of several: the next integer for each, from the largest on to 0. */
export function choiceSeed(seed: number, index: number): number {
  const left = SEED_MODULUS - seed;
  return index < left ? seed + index : index - left;
}
