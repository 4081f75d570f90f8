/** Attention of S new positions of one sequence: over its past, and causally over themselves. */
import type { ModelConfig } from '../config.ts';
import {
  type KvType,
  type NewPositions,
  type Past,
  type SlotInputs,
  widened,
} from './attention-io.ts';
import type { GraphBuilder } from './builder.ts';

/**
 * Query heads that share a KV head are rows of one matrix, so that no K or V is repeated. The kernel
 * behind transBatchB divides by P, so that a sequence starts with a past of one position of zeros that
 * the mask hides.
 *
 * @returns [S, heads * D]
 */
export function prefillAttention(
  g: GraphBuilder,
  { heads, kvHeads, headDim: d }: ModelConfig,
  p: (name: string) => string,
  fresh: NewPositions,
  past: Past,
  { mask, lengths }: SlotInputs,
  kv: KvType,
): string {
  const groups = heads / kvHeads;
  const at = (name: string) => p(`prefill.${name}`);
  // [S, heads, 1, D] -> [kvHeads, 1, S * G, D]: row s * G + i is the i-th query head at position s.
  const split = g.op('Reshape', at('q4'), [fresh.query, g.ints([-1, kvHeads, groups, d])]);
  const turned = g.op('Transpose', at('qt'), [split], { perm: { ints: [1, 0, 2, 3] } });
  const rows = g.op('Reshape', at('rows'), [turned, g.ints([kvHeads, 1, -1, d])]);

  // transBatchB takes [P, kvHeads, 1, D] as kvHeads matrices of [P, D].
  const batched = { transBatchB: { int: 1 } };
  const transposed = { ...batched, transB: { int: 1 } };
  const pastKeys = widened(g, past.keys, kv);
  const pastValues = widened(g, past.values, kv);
  const keys = widened(g, fresh.keys, kv);
  const values = widened(g, fresh.values, kv);
  const old = g.op('FusedMatMul', at('scores.old'), [rows, pastKeys], transposed); // [kvHeads, 1, S * G, P]
  const own = g.op('FusedMatMul', at('scores.new'), [rows, keys], transposed); // [kvHeads, 1, S * G, S]
  const scores = g.op('Concat', at('scores'), [old, own], { axis: { int: -1 } });
  const masked = g.op('Add', at('masked'), [scores, mask]);
  const weights = g.op('Softmax', at('weights'), [masked], { axis: { int: -1 } });
  const parts = [at('weights.old'), at('weights.new')];
  g.ops('Split', [weights, lengths], parts, { axis: { int: -1 } });
  const mixedOld = g.op('FusedMatMul', at('mixed.old'), [parts[0]!, pastValues], batched);
  const mixedNew = g.op('FusedMatMul', at('mixed.new'), [parts[1]!, values], batched);
  const mixed = g.op('Add', at('mixed'), [mixedOld, mixedNew]); // [kvHeads, 1, S * G, D]

  const m4 = g.op('Reshape', at('m4'), [mixed, g.ints([kvHeads, -1, groups, d])]);
  const mt = g.op('Transpose', at('mt'), [m4], { perm: { ints: [1, 0, 2, 3] } });
  return g.op('Reshape', at('merged'), [mt, g.ints([-1, heads * d])]);
}
