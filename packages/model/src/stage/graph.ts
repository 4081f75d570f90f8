/**
 * The ONNX graph of one stage of a dense decoder, over T rows: one new position of each of T sequences
 * (decode), or T new positions of one sequence (prefill); see attention.ts.
 *
 *   hidden [T, hidden] -> layers -> final norm -> head -> logits [R, vocab]   (with head)
 *                                -> hidden_out [T, hidden]                    (without)
 *
 * With a head there is an input `rows` [R]: the rows whose logits are wanted, so that a prefill
 * multiplies one row with the head, not all.
 */
import { VerifiedTensor } from '@blyan/chain/tensor';
import type { ModelConfig } from '../config.ts';
import { ModelError } from '../errors.ts';
import type { ExpectedTensor } from '../families/families.ts';
import type { TensorRole } from '../families/family.ts';
import { attention } from './attention.ts';
import type { AttentionInputs, KvType, SlotInputs } from './attention-io.ts';
import { type ExternalData, GraphBuilder } from './builder.ts';
import { EmbeddingTable } from './embedding.ts';
import { addWeight, linear, vector, type WeightRef } from './linear.ts';
import { layerRange, type StageSpec, stageTensors } from './plan.ts';

export interface StageGraph {
  spec: StageSpec;
  /** ONNX protobuf, without weights. */
  model: Uint8Array;
  externalData: ExternalData[];
  /** What was done to the stored bytes, each name once, for the numerics profile. */
  transforms: string[];
  /** Arithmetic of the matrix products. */
  matmul: 'f32' | 'int8-activations' | 'mixed';
  embedding: EmbeddingTable | null;
  /** Sequences that one decode run can serve. */
  slots: number;
  kv: KvType;
}

export interface StageOptions {
  /** Sequences that one decode run can serve; each costs nodes in every layer. 1 by default. */
  slots?: number;
  /** Type of the cached K and V; `f32` by default. */
  kv?: KvType;
  /** Adds the outputs `hidden.N` [T, hidden] behind layer N, and `final.normed` [R, hidden]. */
  hidden?: boolean;
  /** fp8 and nf4 matrices become f32 instead of 8-bit codes: slower and larger, but nothing is lost. */
  exact?: boolean;
}

/** Takes tensors one by one, so that a caller can release each whose bytes a transform has copied. */
export class StageBuilder {
  readonly #g = new GraphBuilder();
  readonly #missing: Map<string, ExpectedTensor>;
  readonly #weights = new Map<string, WeightRef>();
  readonly #transforms = new Set<string>();
  readonly #spec: StageSpec;
  readonly #options: StageOptions;
  #embedding: EmbeddingTable | null = null;

  constructor(spec: StageSpec, options: StageOptions = {}) {
    this.#spec = spec;
    this.#options = options;
    this.#missing = new Map(stageTensors(spec).map((t) => [t.name, t]));
  }

  /**
   * Throws TENSOR_UNEXPECTED or TENSOR_SHAPE; a tensor that is not verified is a TypeError.
   * @returns whether its bytes are still read, while a session is created or by the embedding for good
   */
  add(tensor: VerifiedTensor): boolean {
    if (!VerifiedTensor.isVerified(tensor)) throw new TypeError('expected a VerifiedTensor');
    const { name, role, shape } = tensor.descriptor;
    const expected = this.#missing.get(name);
    if (expected?.role !== role) throw new ModelError('TENSOR_UNEXPECTED', { tensor: name, role });
    if (shape.join() !== expected.shape.join()) {
      throw new ModelError('TENSOR_SHAPE', { tensor: name, shape, expected: expected.shape });
    }
    this.#missing.delete(name);
    const { config, embed, head } = this.#spec;
    const isEmbedding = expected.group === 'embedding';
    const gathered = isEmbedding && embed;
    if (gathered) this.#embedding = new EmbeddingTable(tensor);
    if (isEmbedding && !(head && config.tied)) return gathered;
    const { ref, transform } = addWeight(this.#g, tensor, this.#options);
    this.#weights.set(isEmbedding ? 'head.head' : `${expected.group}.${role}`, ref);
    this.#transforms.add(transform);
    return gathered || this.#g.has(tensor.bytes);
  }

  finish(): StageGraph {
    const [missing] = this.#missing.keys();
    if (missing !== undefined) throw new ModelError('TENSOR_MISSING', { tensor: missing });
    const weight: Weight = (group, role) => this.#weights.get(`${group}.${role}`);
    const { slots = 1, kv = 'f32' } = this.#options;
    describeStage(this.#g, this.#spec, weight, { ...this.#options, slots, kv });
    const kinds = new Set(
      [...this.#weights.values()].filter((w) => w.shape.length === 2).map((w) => w.kind),
    );
    return {
      spec: this.#spec,
      ...this.#g.encode('blyan'),
      transforms: [...this.#transforms].sort(),
      matmul: kinds.size > 1 ? 'mixed' : kinds.has('blocks') ? 'int8-activations' : 'f32',
      embedding: this.#embedding,
      slots,
      kv,
    };
  }
}

/** undefined: the family has no tensor of that role. */
type Weight = (group: string, role: TensorRole) => WeightRef | undefined;

function describeStage(
  g: GraphBuilder,
  spec: StageSpec,
  weight: Weight,
  options: StageOptions & { slots: number; kv: KvType },
) {
  const { config, head } = spec;
  const { hidden, vocab } = config;
  const { slots, kv } = options;
  const hiddenIn = g.input('hidden', 'f32', ['T', hidden]);
  const layers = layerRange(spec);
  const shared = layers.length > 0 ? attentionInputs(g, config, { slots, kv }) : null;

  let residual = hiddenIn;
  // Output of the last block, not yet added to the residual. Behind a cut it is zeros: the fused kernel
  // divides in another order than the plain norm, and where a model is cut must not be seen in its bits.
  let pending: string | null =
    spec.layers[0] > 0 ? g.op('Sub', 'hidden.none', [hiddenIn, hiddenIn]) : null;
  for (const l of layers) {
    const some = (role: TensorRole) => weight(`layer.${l}`, role);
    const at = (role: TensorRole) => some(role)!;
    const first = addNorm(g, config, `layer.${l}.in`, residual, pending, at('attention.norm'));
    const attended = attention(
      g,
      config,
      { layer: l, slots, kv },
      first.normed,
      {
        query: at('attention.query'),
        key: at('attention.key'),
        value: at('attention.value'),
        output: at('attention.output'),
        queryBias: some('attention.query_bias'),
        keyBias: some('attention.key_bias'),
        valueBias: some('attention.value_bias'),
        queryNorm: some('attention.query_norm'),
        keyNorm: some('attention.key_norm'),
      },
      shared!,
    );
    const second = addNorm(g, config, `layer.${l}.mid`, first.sum, attended, at('mlp.norm'));
    const gate = linear(g, `layer.${l}.gate`, second.normed, at('mlp.gate'));
    const up = linear(g, `layer.${l}.up`, second.normed, at('mlp.up'));
    // alpha 1 makes QuickGelu x * sigmoid(x), SiLU.
    const silu = g.op('QuickGelu', `layer.${l}.silu`, [gate], { alpha: { float: 1 } });
    const inner = g.op('Mul', `layer.${l}.inner`, [silu, up]);
    pending = linear(g, `layer.${l}.down`, inner, at('mlp.down'));
    residual = second.sum;
    if (options.hidden) {
      g.op('Add', `hidden.${l}`, [residual, pending]);
      g.output(`hidden.${l}`, 'f32', ['T', hidden]);
    }
  }

  if (!head) {
    g.op('Add', 'hidden_out', [residual, pending!]);
    g.output('hidden_out', 'f32', ['T', hidden]);
    return;
  }
  const rows = g.input('rows', 'i32', ['R']);
  const pick = (name: string, x: string) =>
    g.op('Gather', `${name}.rows`, [x, rows], { axis: { int: 0 } });
  const last = addNorm(
    g,
    config,
    'final',
    pick('final.residual', residual),
    pick('final.pending', pending!),
    weight('norm', 'norm')!,
  );
  if (options.hidden) g.output(last.normed, 'f32', ['R', hidden]);
  g.output(linear(g, 'logits', last.normed, weight('head', 'head')!), 'f32', ['R', vocab]);
}

function attentionInputs(
  g: GraphBuilder,
  { heads, kvHeads, headDim }: ModelConfig,
  { slots, kv }: { slots: number; kv: KvType },
): AttentionInputs {
  const table = (name: string) => g.input(name, 'f32', ['T', headDim / 2]);
  const perSlot = <T>(from: number, make: (slot: number) => T): T[] =>
    Array.from({ length: slots - from }, (_, i) => make(from + i));
  const slot = (name: string, mask: string[]): SlotInputs => ({
    mask: g.input(`${name}.mask`, 'f32', mask),
    lengths: g.input(`${name}.lengths`, 'i64', [2]),
    filling: g.input(`${name}.filling`, kv, [`${name}.F`, kvHeads, 1, headDim]),
  });
  return {
    cos: table('cos'),
    sin: table('sin'),
    queryCos: table('query.cos'),
    querySin: table('query.sin'),
    positions: g.input('positions', 'i64', ['T', 1]),
    decode: g.input('decode', 'bool', []),
    check: g.input('check', 'bool', []),
    decoding: {
      many: g.input('decode.many', 'bool', []),
      used: perSlot(1, (number) => g.input(`decode.used.${number}`, 'bool', [])),
      rows: g.input('decode.rows', 'i64', [slots + 1]),
      split: g.input('decode.split', 'i64', [slots + 1]),
      padding: g.input('decode.padding', 'f32', ['Z', heads / kvHeads, 1, headDim]),
      slots: perSlot(0, (number) => slot(`slot.${number}`, [`W${number}`])),
    },
    // [S * G, 1, W] of a check, [S * G, W] of a prefill.
    single: slot('single', ['M', 'N', 'W']),
  };
}

/** sum = residual + pending; normed = RMS norm of the sum. One kernel where there is a sum. */
function addNorm(
  g: GraphBuilder,
  config: ModelConfig,
  name: string,
  residual: string,
  pending: string | null,
  w: WeightRef,
): { normed: string; sum: string } {
  const normed = `${name}.normed`;
  if (pending === null) {
    g.op('SimplifiedLayerNormalization', normed, [residual, vector(w)], {
      axis: { int: -1 },
      epsilon: { float: config.normEpsilon },
      stash_type: { int: 1 },
    });
    return { normed, sum: residual };
  }
  const sum = `${name}.sum`;
  g.ops('SkipSimplifiedLayerNormalization', [residual, pending, vector(w)], [normed, '', '', sum], {
    epsilon: { float: config.normEpsilon },
  });
  return { normed, sum };
}

/** All at once, where memory does not matter. */
export function buildStage(
  spec: StageSpec,
  tensors: Iterable<VerifiedTensor>,
  options: StageOptions = {},
): StageGraph {
  const builder = new StageBuilder(spec, options);
  for (const tensor of tensors) builder.add(tensor);
  return builder.finish();
}
