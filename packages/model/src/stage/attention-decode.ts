/** Attention of T sequences with one new position each: every one over its own past and itself. */
import type { ModelConfig } from '../config.ts';
import {
  type DecodeInputs,
  type KvType,
  type NewPositions,
  type Past,
  widened,
} from './attention-io.ts';
import type { GraphBuilder } from './builder.ts';

/**
 * Each query head is a matrix of one row: for those the runtime has kernels that read K and V as they
 * lie, without packing them first (over 1000 positions of the 0.6B shape that halved the time of the
 * product with V). What concerns only the new positions is done for all sequences at once.
 *
 * @returns [T, heads * D]
 */
export function decodeAttention(
  g: GraphBuilder,
  { heads, kvHeads, headDim: d }: ModelConfig,
  p: (name: string) => string,
  fresh: NewPositions,
  pasts: Past[],
  { many, used, split, padding, lengths }: DecodeInputs,
  kv: KvType,
): string {
  const groups = heads / kvHeads;
  const at = (name: string) => p(`decode.${name}`);
  /** A tensor of all rows, cut into the sequences'; rows of padding are left out. */
  const perSequence = (name: string, value: string): string[] => {
    const pieces = pasts.map((_, slot) => at(`${name}.${slot}`));
    g.ops('Split', [value, split], [...pieces, at(`${name}.padding`)], { axis: { int: 0 } });
    return pieces;
  };
  // [T, heads, 1, D] -> [T * kvHeads, G, 1, D], and K and V of the new positions as [T * kvHeads, 1, 1, D].
  const query = g.op('Reshape', at('q'), [fresh.query, g.ints([-1, groups, 1, d])]);
  const keys = g.op('Reshape', at('k'), [fresh.keys, g.ints([-1, 1, 1, d])]);
  const values = g.op('Reshape', at('v'), [fresh.values, g.ints([-1, 1, 1, d])]);
  const products = g.op('Mul', at('own.products'), [query, keys]);
  const own = g.op('ReduceSum', at('own'), [products, g.ints([-1])], { keepdims: { int: 1 } }); // [T * kvHeads, G, 1, 1]

  const queries = perSequence('q', query);
  const owns = perSequence('own', own);
  const attend = (branch: GraphBuilder, slot: number): [mixed: string, weight: string] => {
    const name = (part: string) => at(`${slot}.${part}`);
    const batched = { transBatchB: { int: 1 } };
    const { keys, values } = pasts[slot]!;
    const old = branch.op(
      'FusedMatMul',
      name('scores.old'),
      [queries[slot]!, widened(branch, keys, kv)],
      { ...batched, transB: { int: 1 } },
    ); // [kvHeads, G, 1, P]
    const scores = branch.op('Concat', name('scores'), [old, owns[slot]!], { axis: { int: -1 } });
    const weights = branch.op('Softmax', name('weights'), [scores], { axis: { int: -1 } });
    const parts = [name('weights.old'), name('weights.own')];
    branch.ops('Split', [weights, lengths[slot]!], parts, { axis: { int: -1 } });
    const mixed = branch.op(
      'FusedMatMul',
      name('mixed'),
      [parts[0]!, widened(branch, values, kv)],
      batched,
    ); // [kvHeads, G, 1, D]
    return [mixed, parts[1]!];
  };

  const [first, firstWeight] = attend(g, 0);
  const pieces = { mixed: [first], weight: [firstWeight] };
  const join = (branch: GraphBuilder, name: string, parts: string[]) =>
    branch.op('Concat', at(name), parts, { axis: { int: 0 } });
  if (pasts.length > 1) {
    const nothing = (branch: GraphBuilder, name: string): [string, string] => [
      branch.op('Identity', at(`${name}.no.mixed`), [branch.empty([0, groups, 1, d])]),
      branch.op('Identity', at(`${name}.no.weight`), [branch.empty([0, groups, 1, 1])]),
    ];
    const outputs = (name: string) => [
      { name: at(`${name}.mixed`), rank: 4 },
      { name: at(`${name}.weight`), rank: 4 },
    ];
    // One condition in front of all others: a single sequence pays for one, not for every slot.
    g.choose(many, outputs('others'), {
      yes: (branch) => {
        const others = used.map((condition, i) => {
          const names = outputs(`slot.${i + 1}`);
          branch.choose(condition, names, {
            yes: (inner) => attend(inner, i + 1),
            no: (inner) => nothing(inner, `slot.${i + 1}`),
          });
          return names.map(({ name }) => name);
        });
        return [
          join(
            branch,
            'others.yes.mixed',
            others.map(([mixed]) => mixed!),
          ),
          join(
            branch,
            'others.yes.weight',
            others.map(([, weight]) => weight!),
          ),
        ];
      },
      no: (branch) => nothing(branch, 'others'),
    });
    pieces.mixed.push(at('others.mixed'));
    pieces.weight.push(at('others.weight'));
  }
  const mixed = join(g, 'mixed', [...pieces.mixed, padding.mixed]);
  const weight = join(g, 'weight', [...pieces.weight, padding.weight]);
  const ownMixed = g.op('Mul', at('own.mixed'), [weight, values]);
  const sum = g.op('Add', at('sum'), [mixed, ownMixed]); // [T * kvHeads, G, 1, D]
  return g.op('Reshape', at('merged'), [sum, g.ints([-1, heads * d])]);
}
