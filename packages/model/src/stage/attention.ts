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

  // What is cached in f32 is computed under the name of its output; for f16 it is rounded first.
  const exact = kv === 'f32';
  const keyName = exact ? newKey(layer) : p('key.rotated');
  const valueName = exact ? newValue(layer) : p('value.heads');

  // Per-head RMS norm where the family has one, then rotation: [T, count * D] -> [T, count, 1, D].
  // With the positions as the batch of RotaryEmbedding no transpose is needed on either side.
  const perHead = (output: string, count: number, flat: string) =>
    g.op('Reshape', output, [flat, g.ints([-1, count, 1, d])]);
  const rotated = (
    name: 'query' | 'key',
    output: string,
    norm: WeightRef | undefined,
    tables: string[],
  ) => {
    const [count, ref, bias] =
      name === 'query' ? [heads, w.query, w.queryBias] : [kvHeads, w.key, w.keyBias];
    const split = perHead(p(`${name}.heads`), count, linear(g, p(name), x, ref, bias));
    const normed =
      norm &&
      g.op('SimplifiedLayerNormalization', p(`${name}.normed`), [split, vector(norm)], {
        axis: { int: -1 },
        epsilon: { float: config.normEpsilon },
        stash_type: { int: 1 },
      });
    return g.op('RotaryEmbedding', output, [normed ?? split, shared.positions, ...tables]);
  };
  const query = rotated('query', p('query.rotated'), w.queryNorm, [
    shared.queryCos,
    shared.querySin,
  ]);
  const keys = rotated('key', keyName, w.keyNorm, [shared.cos, shared.sin]);
  const values = perHead(valueName, kvHeads, linear(g, p('value'), x, w.value, w.valueBias));
  const cached = (output: string, value: string) => {
    if (!exact) g.op('Cast', output, [value], { to: { int: ElementType.f16 } });
    return g.output(output, kv, ['T', kvHeads, 1, d]);
  };
  const fresh = {
    query,
    keys: cached(newKey(layer), keys),
    values: cached(newValue(layer), values),
  };
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
