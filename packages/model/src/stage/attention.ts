/**
 * Attention over KV caches that the caller owns, out of plain operators.
 *
 * A run is of one of three kinds, and the graph has a branch for each:
 *
 * - **decode**: T sequences with one new position each. The linear layers see T rows; attention runs
 *   once for each sequence, over its own past, so that no sequence pays for the length of another and
 *   none changes the bits of another.
 * - **check**: S new positions of one sequence, with the bits that S decodes would give them.
 * - **prefill**: S new positions of one sequence at once, with matrix products over all of them.
 *
 * The past is a graph input [P, kvHeads, 1, D] for each layer and slot, a view of the caller's typed
 * array (position-major, so that any prefix of it is contiguous): nothing of it is copied in, and only K
 * and V of the new positions come out. `transBatchB` reads the position-major buffers without a
 * transpose.
 *
 * Scores are not scaled here: the caller hands in cosines and sines for the queries that are scaled
 * already, because a product with alpha takes a slower kernel.
 */
import type { ModelConfig } from '../config.ts';
import { checkAttention, decodeAttention } from './attention-decode.ts';
import {
  type AttentionInputs,
  type KeysValues,
  type KvType,
  newKey,
  newValue,
  type Past,
  pastKey,
  pastValue,
  recentKey,
  recentValue,
} from './attention-io.ts';
import { prefillAttention } from './attention-prefill.ts';
import type { GraphBuilder } from './builder.ts';
import { linear, vector, type WeightRef } from './linear.ts';
import { ElementType } from './onnx.ts';

export interface AttentionWeights {
  query: WeightRef;
  key: WeightRef;
  value: WeightRef;
  output: WeightRef;
  /** Vectors that only some families have. */
  queryBias: WeightRef | undefined;
  keyBias: WeightRef | undefined;
  valueBias: WeightRef | undefined;
  queryNorm: WeightRef | undefined;
  keyNorm: WeightRef | undefined;
}

export interface AttentionOptions {
  layer: number;
  /** Sequences that one decode run can serve. */
  slots: number;
  kv: KvType;
}

/** x [T, hidden] (normalized) -> [T, hidden], and the outputs newKey and newValue. */
export function attention(
  g: GraphBuilder,
  config: ModelConfig,
  options: AttentionOptions,
  x: string,
  w: AttentionWeights,
  shared: AttentionInputs,
): string {
  const { layer, kv } = options;
  const { heads, kvHeads, headDim: d } = config;
  const p = (name: string) => `layer.${layer}.attention.${name}`;

  // Per-head RMS norm where the family has one, then rotation: [T, count * D] -> [T, count, 1, D].
  // With the positions as the batch of RotaryEmbedding no transpose is needed on either side.
  const projected = (name: string, count: number, ref: WeightRef, bias: WeightRef | undefined) => {
    const flat = linear(g, p(name), x, ref, bias);
    return g.op('Reshape', p(`${name}.heads`), [flat, g.ints([-1, count, 1, d])]);
  };
  const rotated = (name: string, split: string, norm: WeightRef | undefined, tables: string[]) => {
    const normed =
      norm &&
      g.op('SimplifiedLayerNormalization', p(`${name}.normed`), [split, vector(norm)], {
        axis: { int: -1 },
        epsilon: { float: config.normEpsilon },
        stash_type: { int: 1 },
      });
    const inputs = [normed ?? split, shared.positions, ...tables];
    return g.op('RotaryEmbedding', p(`${name}.rotated`), inputs);
  };
  const query = projected('query', heads, w.query, w.queryBias);
  const key = projected('key', kvHeads, w.key, w.keyBias);
  const cached = cacheOutputs(g, config, options, {
    keys: rotated('key', key, w.keyNorm, [shared.cos, shared.sin]),
    values: projected('value', kvHeads, w.value, w.valueBias),
  });
  const tables = [shared.queryCos, shared.querySin];
  const fresh = { ...cached, query: rotated('query', query, w.queryNorm, tables) };
  const pasts = pastInputs(g, config, options);
  const [past] = pasts as [Past];

  const merged = p('merged');
  const parts = p('several');
  g.choose(shared.decode, [{ name: merged, rank: 2 }], {
    yes: (branch) => [decodeAttention(branch, config, p, fresh, pasts, shared.decoding, kv)],
    no: (branch) => {
      branch.choose(shared.check, [{ name: parts, rank: 2 }], {
        yes: (inner) => [checkAttention(inner, config, p, fresh, past, shared.single, kv)],
        no: (inner) => [prefillAttention(inner, config, p, fresh, past, shared.single, kv)],
      });
      return [parts];
    },
  });
  return linear(g, p('output'), merged, w.output);
}

/** The new positions as they go into the cache, and as attention reads them. */
function cacheOutputs(
  g: GraphBuilder,
  { kvHeads, headDim }: ModelConfig,
  { layer, kv }: AttentionOptions,
  { keys, values }: KeysValues,
): KeysValues {
  const output = (name: string, value: string) => {
    if (kv === 'f16') g.op('Cast', name, [value], { to: { int: ElementType.f16 } });
    else g.op('Identity', name, [value]);
    return g.output(name, kv, ['T', kvHeads, 1, headDim]);
  };
  return { keys: output(newKey(layer), keys), values: output(newValue(layer), values) };
}

function pastInputs(
  g: GraphBuilder,
  { kvHeads, headDim }: ModelConfig,
  { layer, slots, kv }: AttentionOptions,
): Past[] {
  const input = (name: string, length: string) => g.input(name, kv, [length, kvHeads, 1, headDim]);
  return Array.from({ length: slots }, (_, slot) => ({
    keys: input(pastKey(layer, slot), `P${slot}`),
    values: input(pastValue(layer, slot), `P${slot}`),
    recent: {
      keys: input(recentKey(layer, slot), `R${slot}`),
      values: input(recentValue(layer, slot), `R${slot}`),
    },
  }));
}
