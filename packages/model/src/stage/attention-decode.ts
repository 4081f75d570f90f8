/**
 * Attention of single positions, each over the past of its sequence: a decode (one new position of each
 * of several sequences) and a check (several new positions of one). Both sum in the same order.
 *
 * Each query head is a matrix of one row: for those the runtime has kernels that read K and V as they
 * lie, without packing them first (over 1000 positions of the 0.6B shape that halved the time of the
 * product with V).
 */
import type { ModelConfig } from '../config.ts';
import {
  type DecodeInputs,
  type KeysValues,
  type KvType,
  type NewPositions,
  type Past,
  type SlotInputs,
  widened,
} from './attention-io.ts';
import type { GraphBuilder } from './builder.ts';

type Name = (part: string) => string;

/**
 * @param queries [kvHeads, R, 1, D]
 * @param fresh K and V of this sequence's new positions, [S, kvHeads, 1, D]
 * @returns [kvHeads, R, 1, D]
 */
function attend(
  g: GraphBuilder,
  name: Name,
  queries: string,
  fresh: KeysValues,
  past: Past,
  { mask, lengths, filling }: SlotInputs,
  kv: KvType,
): string {
  const filled = (part: 'keys' | 'values') => {
    const pieces = [past.recent[part], fresh[part], filling];
    return widened(g, g.op('Concat', name(`recent.${part}`), pieces, { axis: { int: 0 } }), kv);
  };
  // transBatchB takes [P, kvHeads, 1, D] as kvHeads matrices of [P, D].
  const batched = { transBatchB: { int: 1 } };
  const transposed = { ...batched, transB: { int: 1 } };
  const pastKeys = widened(g, past.keys, kv);
  const pastValues = widened(g, past.values, kv);
  const old = g.op('FusedMatMul', name('scores.old'), [queries, pastKeys], transposed);
  const recent = g.op('FusedMatMul', name('scores.new'), [queries, filled('keys')], transposed);
  const scores = g.op('Concat', name('scores'), [old, recent], { axis: { int: -1 } });
  const masked = g.op('Add', name('masked'), [scores, mask]);
  const weights = g.op('Softmax', name('weights'), [masked], { axis: { int: -1 } });
  const parts = [name('weights.old'), name('weights.new')];
  g.ops('Split', [weights, lengths], parts, { axis: { int: -1 } });
  const mixedOld = g.op('FusedMatMul', name('mixed.old'), [parts[0]!, pastValues], batched);
  const mixedNew = g.op('FusedMatMul', name('mixed.new'), [parts[1]!, filled('values')], batched);
  return g.op('Add', name('mixed'), [mixedOld, mixedNew]);
}

/** One new position of each of T sequences. @returns [T, heads * D] */
export function decodeAttention(
  g: GraphBuilder,
  { heads, kvHeads, headDim: d }: ModelConfig,
  p: Name,
  fresh: NewPositions,
  pasts: Past[],
  { many, used, rows, split, padding, slots }: DecodeInputs,
  kv: KvType,
): string {
  const groups = heads / kvHeads;
  const at = (name: string) => p(`decode.${name}`);
  /** A tensor of all rows, cut into the sequences'; rows of padding are left out. */
  const perSequence = (name: string, value: string, sizes: string): string[] => {
    const pieces = pasts.map((_, slot) => at(`${name}.${slot}`));
    g.ops('Split', [value, sizes], [...pieces, at(`${name}.padding`)], { axis: { int: 0 } });
    return pieces;
  };
  const query = g.op('Reshape', at('q'), [fresh.query, g.ints([-1, groups, 1, d])]); // [T * kvHeads, G, 1, D]
  const queries = perSequence('q', query, split);
  const keys = perSequence('k', fresh.keys, rows);
  const values = perSequence('v', fresh.values, rows);
  const one = (branch: GraphBuilder, slot: number) =>
    attend(
      branch,
      (part) => at(`${slot}.${part}`),
      queries[slot]!,
      { keys: keys[slot]!, values: values[slot]! },
      pasts[slot]!,
      slots[slot]!,
      kv,
    );

  const pieces = [one(g, 0)];
  const join = (branch: GraphBuilder, name: string, parts: string[]) =>
    branch.op('Concat', at(name), parts, { axis: { int: 0 } });
  if (pasts.length > 1) {
    const nothing = (branch: GraphBuilder, name: string) =>
      branch.op('Identity', at(`${name}.none`), [branch.empty([0, groups, 1, d])]);
    // One condition in front of all others: a single sequence pays for one, not for every slot.
    g.choose(many, [{ name: at('others'), rank: 4 }], {
      yes: (branch) => {
        const others = used.map((condition, i) => {
          const name = at(`slot.${i + 1}`);
          branch.choose(condition, [{ name, rank: 4 }], {
            yes: (inner) => [one(inner, i + 1)],
            no: (inner) => [nothing(inner, `slot.${i + 1}`)],
          });
          return name;
        });
        return [join(branch, 'others.joined', others)];
      },
      no: (branch) => [nothing(branch, 'others')],
    });
    pieces.push(at('others'));
  }
  const mixed = join(g, 'joined', [...pieces, padding]); // [T * kvHeads, G, 1, D]
  return g.op('Reshape', at('merged'), [mixed, g.ints([-1, heads * d])]);
}

/** S new positions of one sequence, as a decode of one after the other gives them. @returns [S, heads * D] */
export function checkAttention(
  g: GraphBuilder,
  { heads, kvHeads, headDim: d }: ModelConfig,
  p: Name,
  fresh: NewPositions,
  past: Past,
  inputs: SlotInputs,
  kv: KvType,
): string {
  const groups = heads / kvHeads;
  const at = (name: string) => p(`check.${name}`);
  // [S, heads, 1, D] -> [kvHeads, S * G, 1, D]
  const q4 = g.op('Reshape', at('q4'), [fresh.query, g.ints([-1, kvHeads, groups, d])]);
  const qt = g.op('Transpose', at('qt'), [q4], { perm: { ints: [1, 0, 2, 3] } });
  const queries = g.op('Reshape', at('q'), [qt, g.ints([kvHeads, -1, 1, d])]);
  const mixed = attend(g, at, queries, fresh, past, inputs, kv);
  const m4 = g.op('Reshape', at('m4'), [mixed, g.ints([kvHeads, -1, groups, d])]);
  const mt = g.op('Transpose', at('mt'), [m4], { perm: { ints: [1, 0, 2, 3] } });
  return g.op('Reshape', at('merged'), [mt, g.ints([-1, heads * d])]);
}
