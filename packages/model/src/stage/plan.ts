/** Which tensors a stage is made of: any contiguous range of layers, with or without both ends. */
import type { ModelConfig } from '../config.ts';
import { ModelError } from '../errors.ts';
import { type ExpectedTensor, expectedTensors } from '../families/families.ts';

export interface StageSpec {
  config: ModelConfig;
  /** First and last layer, inclusive. */
  layers: [first: number, last: number];
  /** The stage turns token ids into rows itself. */
  embed: boolean;
  /** The stage ends in logits instead of hidden states. */
  head: boolean;
}

export const wholeModel = (config: ModelConfig): StageSpec => ({
  config,
  layers: [0, config.layers - 1],
  embed: true,
  head: true,
});

export const layerRange = ({ layers: [first, last] }: StageSpec): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Group names of the model block that the stage needs, in the order of the data. */
export function stageGroups({ config, layers: [first, last], embed, head }: StageSpec): string[] {
  if (!(Number.isInteger(first) && Number.isInteger(last)) || first < 0 || last < first) {
    throw new ModelError('STAGE_RANGE', { first, last, layers: config.layers });
  }
  if (last >= config.layers || (embed && first !== 0) || (head && last !== config.layers - 1)) {
    throw new ModelError('STAGE_RANGE', { first, last, embed, head, layers: config.layers });
  }
  const groups: string[] = [];
  if (embed || (head && config.tied)) groups.push('embedding');
  for (let l = first; l <= last; l++) groups.push(`layer.${l}`);
  if (head) groups.push('norm');
  if (head && !config.tied) groups.push('head');
  return groups;
}

/** The tensors of those groups, in order. */
export function stageTensors(spec: StageSpec): ExpectedTensor[] {
  const groups = new Set(stageGroups(spec));
  return expectedTensors(spec.config).filter((t) => groups.has(t.group));
}
