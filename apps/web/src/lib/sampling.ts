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
