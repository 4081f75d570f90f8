/**
 * Attention over a KV cache that the caller owns, out of plain operators.
 *
 * The past is a graph input [P, kvHeads, 1, D], a view of exactly the valid positions of the caller's
 * typed array (position-major, so that any prefix of it is contiguous): nothing is copied in, nothing
 * is masked or wasted, and only K and V of the new positions come out. Query heads that share a KV
 * head are rows of one matrix, so that no K or V is repeated. `transBatchB` reads the position-major
 * buffers without a transpose; it divides by P (a crash when P is 0), so that a sequence starts with
 * a past of one position of zeros that the mask hides.
 */
import type { ModelConfig } from '../config.ts';
import type { GraphBuilder } from './builder.ts';
import { linear, vector, type WeightRef } from './linear.ts';

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

/** Names of what all layers share. */
export interface AttentionInputs {
  cos: string;
  sin: string;
  /** i64 [S, 1]: rows of the tables, 0 to S - 1; the caller cuts the tables. */
  positions: string;
  /** f32, additive to the scores [S * G, P + S]: hides the future. [1, 1] when nothing is hidden. */
  mask: string;
  /** i64 [2]: P and S. */
  split: string;
}

export const pastKey = (layer: number) => `past.${layer}.key`;
export const pastValue = (layer: number) => `past.${layer}.value`;
export const newKey = (layer: number) => `new.${layer}.key`;
export const newValue = (layer: number) => `new.${layer}.value`;

/** x [1, S, hidden] (normalized) -> [1, S, hidden], and the outputs newKey and newValue. */
export function attention(
  g: GraphBuilder,
  config: ModelConfig,
  layer: number,
  x: string,
  w: AttentionWeights,
  shared: AttentionInputs,
): string {
  const { heads, kvHeads, headDim: d } = config;
  const groups = heads / kvHeads;
  const p = (name: string) => `layer.${layer}.attention.${name}`;

  // Per-head RMS norm where the family has one, then rotation: [1, S, count * D] -> [S, count, 1, D].
  // With the positions as the batch of RotaryEmbedding no transpose is needed on either side.
  const perHead = (name: string, flat: string) =>
    g.op('Reshape', p(`${name}.heads`), [
      flat,
      g.ints([-1, name === 'query' ? heads : kvHeads, 1, d]),
    ]);
  const rotated = (name: 'query' | 'key', projected: string, norm: WeightRef | undefined) => {
    const split = perHead(name, projected);
    const normed =
      norm &&
      g.op('SimplifiedLayerNormalization', p(`${name}.normed`), [split, vector(norm)], {
        axis: { int: -1 },
        epsilon: { float: config.normEpsilon },
        stash_type: { int: 1 },
      });
    const output = name === 'key' ? newKey(layer) : p('query.rotated');
    const inputs = [normed ?? split, shared.positions, shared.cos, shared.sin];
    return g.op('RotaryEmbedding', output, inputs);
  };
  const q = rotated('query', linear(g, p('query'), x, w.query, w.queryBias), w.queryNorm);
  const keys = rotated('key', linear(g, p('key'), x, w.key, w.keyBias), w.keyNorm);
  const values = newValue(layer);
  const projected = linear(g, p('value'), x, w.value, w.valueBias);
  g.op('Reshape', values, [projected, g.ints([-1, kvHeads, 1, d])]);
  const oldKeys = g.input(pastKey(layer), 'f32', ['P', kvHeads, 1, d]);
  const oldValues = g.input(pastValue(layer), 'f32', ['P', kvHeads, 1, d]);
  g.output(keys, 'f32', ['S', kvHeads, 1, d]);
  g.output(values, 'f32', ['S', kvHeads, 1, d]);

  // [S, heads, 1, D] -> [kvHeads, 1, S * G, D]: row s * G + i is the i-th query head at position s.
  const q4 = g.op('Reshape', p('q4'), [q, g.ints([-1, kvHeads, groups, d])]);
  const qt = g.op('Transpose', p('qt'), [q4], { perm: { ints: [1, 0, 2, 3] } });
  const rows = g.op('Reshape', p('rows'), [qt, g.ints([kvHeads, 1, -1, d])]);

  // transBatchB takes [P, kvHeads, 1, D] as kvHeads matrices of [P, D].
  const batched = { transBatchB: { int: 1 } };
  const scaled = { ...batched, transB: { int: 1 }, alpha: { float: 1 / Math.sqrt(d) } };
  const scoresOld = g.op('FusedMatMul', p('scores.old'), [rows, oldKeys], scaled); // [kvHeads, 1, S * G, P]
  const scoresNew = g.op('FusedMatMul', p('scores.new'), [rows, keys], scaled); // [kvHeads, 1, S * G, S]
  const scores = g.op('Concat', p('scores'), [scoresOld, scoresNew], { axis: { int: -1 } });
  const masked = g.op('Add', p('masked'), [scores, shared.mask]);
  const weights = g.op('Softmax', p('weights'), [masked], { axis: { int: -1 } });
  g.ops('Split', [weights, shared.split], [p('weights.old'), p('weights.new')], {
    axis: { int: -1 },
  });
  const mixedOld = g.op('FusedMatMul', p('mixed.old'), [p('weights.old'), oldValues], batched);
  const mixedNew = g.op('FusedMatMul', p('mixed.new'), [p('weights.new'), values], batched);
  const mixed = g.op('Add', p('mixed'), [mixedOld, mixedNew]); // [kvHeads, 1, S * G, D]

  const m4 = g.op('Reshape', p('m4'), [mixed, g.ints([kvHeads, -1, groups, d])]);
  const mt = g.op('Transpose', p('mt'), [m4], { perm: { ints: [1, 0, 2, 3] } });
  const merged = g.op('Reshape', p('merged'), [mt, g.ints([1, -1, heads * d])]);
  return linear(g, p('output'), merged, w.output);
}
