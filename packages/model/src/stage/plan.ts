/** Which tensors a stage is made of: any contiguous range of layers, with or without both ends. */
import type { ModelConfig } from '../config.ts';
import { ModelError } from '../errors.ts';
import { type ExpectedTensor, expectedTensors } from '../families/families.ts';

export interface StageSpec {
  config: ModelConfig;
  /** First and last layer, inclusive; the final norm and head alone have none: [layers, layers - 1]. */
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

/** The end of a model whose layers are elsewhere. */
export const headOnly = (config: ModelConfig): StageSpec => ({
  config,
  layers: [config.layers, config.layers - 1],
  embed: false,
  head: true,
});

export const layerRange = ({ layers: [first, last] }: StageSpec): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Group names of the model block that the stage needs, in the order of the data. */
export function stageGroups({ config, layers: [first, last], embed, head }: StageSpec): string[] {
  const none = head && first === config.layers && last === first - 1;
  if (
    !(Number.isInteger(first) && Number.isInteger(last)) ||
    first < 0 ||
    (last < first && !none)
  ) {
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

/** Parts smaller than this save no memory worth a run of their own at each step. */
const MIN_PART_BYTES = 32 * 1024 * 1024;
/**
 * While a part is loaded its weights exist up to three times, so parts are small beside the whole; each
 * costs a run its inputs once more.
 */
const MAX_PARTS = 7;

/**
 * Cuts a stage into parts that are loaded one after the other, so that the copies which loading needs
 * exist of one part at a time.
 *
 * @param bytes of the stored tensors of a group
 * @param smallest bytes of a part
 * @returns stages that follow on each other, one for a small model
 */
export function splitStage(
  spec: StageSpec,
  bytes: (group: string) => number,
  smallest = MIN_PART_BYTES,
): StageSpec[] {
  const { config, layers, embed, head } = spec;
  const sizes = layerRange(spec).map((layer) => bytes(`layer.${layer}`));
  const tail = head ? bytes(config.tied ? 'embedding' : 'head') : 0;
  const total = sizes.reduce((a, b) => a + b, tail);
  const wanted = Math.max(smallest, total / MAX_PARTS);
  const ends: number[] = [];
  let filled = 0;
  sizes.forEach((size, i) => {
    filled += size;
    const rest = sizes.slice(i + 1).reduce((a, b) => a + b, tail);
    if (filled < wanted || rest < wanted / 2 || i === sizes.length - 1) return;
    ends.push(i);
    filled = 0;
  });
  ends.push(sizes.length - 1);
  const [first] = layers;
  return ends.map((end, i) => {
    const start = i === 0 ? 0 : ends[i - 1]! + 1;
    return {
      config,
      layers: [first + start, first + end],
      embed: embed && i === 0,
      head: head && i === ends.length - 1,
    };
  });
}
