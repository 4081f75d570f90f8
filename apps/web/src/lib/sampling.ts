import type { SamplingParams } from '@blyan/protocol/sampling';

/** The penalties that are on, in the names of the API. */
export function penaltiesOf(params: SamplingParams): string {
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = params;
  const on = [
    repetitionPenalty !== 1 && `repetition ${repetitionPenalty}`,
    presencePenalty !== 0 && `presence ${presencePenalty}`,
    frequencyPenalty !== 0 && `frequency ${frequencyPenalty}`,
  ].filter((penalty) => penalty !== false);
  return on.join(', ') || 'off';
}

/** In the names of the API. Of what few models recommend and few people ask for, what is on. */
export function parametersOf(params: SamplingParams): string[] {
  const { minP, repetitionPenalty, presencePenalty, frequencyPenalty } = params;
  return [
    `temperature ${params.temperature}`,
    `top_p ${params.topP}`,
    `top_k ${params.topK}`,
    minP !== 0 && `min_p ${minP}`,
    repetitionPenalty !== 1 && `repetition_penalty ${repetitionPenalty}`,
    presencePenalty !== 0 && `presence_penalty ${presencePenalty}`,
    frequencyPenalty !== 0 && `frequency_penalty ${frequencyPenalty}`,
    `max_tokens ${params.maxTokens}`,
  ].filter((parameter) => parameter !== false);
}
