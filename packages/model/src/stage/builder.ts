/** Collects nodes, initializers and external buffers of one graph; `encode` makes the protobuf. */
import {
  type Attribute,
  type ElementType,
  encodeModel,
  type Graph,
  type Initializer,
  MS_DOMAIN,
  type Node,
  type ValueInfo,
} from './onnx.ts';

export interface ExternalData {
  /** Name by which the graph refers to the buffer. */
  path: string;
  data: Uint8Array;
}

/** Operators outside of the default domain. */
const MS_OPS = new Set([
  'FusedMatMul',
  'MatMulNBits',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipSimplifiedLayerNormalization',
]);

export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #external = new Map<string, Uint8Array>();
  /** The builder of the whole graph, which holds the constants of all branches. */
  readonly #root: GraphBuilder;

  constructor(root?: GraphBuilder) {
    this.#root = root ?? this;
  }

  /** Adds a node with one output named `name`; returns the name. */
  op(op: string, name: string, inputs: string[], attributes: Record<string, Attribute> = {}) {
    this.ops(op, inputs, [name], attributes);
    return name;
  }

  /** Adds a node with several outputs; an empty name is an unused output. */
  ops(
    op: string,
    inputs: string[],
    outputs: string[],
    attributes: Record<string, Attribute> = {},
  ): void {
    this.nodes.push({
      op,
      inputs,
      outputs,
      attributes,
      ...(MS_OPS.has(op) ? { domain: MS_DOMAIN } : {}),
    });
  }

  /**
   * One of two branches, by the single boolean `condition`. Only the nodes of the chosen one run. Each
   * branch gives f32 tensors of the ranks and in the order of `outputs`; it may use any name that
   * exists outside.
   */
  choose(
    condition: string,
    outputs: { name: string; rank: number }[],
    branches: Record<'yes' | 'no', (branch: GraphBuilder) => string[]>,
  ): void {
    const graph = (key: 'yes' | 'no'): Attribute => {
      const branch = new GraphBuilder(this.#root);
      const names = branches[key](branch);
      outputs.forEach(({ rank }, i) => {
        const shape = Array.from({ length: rank }, (_, d) => `${names[i]}.${d}`);
        branch.output(names[i]!, 'f32', shape);
      });
      return { graph: branch.#graph(`${outputs[0]?.name}.${key}`) };
    };
    const attributes = { then_branch: graph('yes'), else_branch: graph('no') };
    this.ops(
      'If',
      [condition],
      outputs.map(({ name }) => name),
      attributes,
    );
  }

  input(name: string, type: ElementType, shape: ValueInfo['shape']): string {
    this.inputs.push({ name, type, shape });
    return name;
  }

  output(name: string, type: ElementType, shape: ValueInfo['shape']): string {
    this.outputs.push({ name, type, shape });
    return name;
  }

  /** A small int64 tensor inside the protobuf (shapes, axes); equal values share one initializer. */
  ints(values: number[]): string {
    const name = `const.i64.${values.join('_')}`;
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant({ name, type: 'i64', shape: [values.length], raw });
  }

  /** An f32 tensor without elements: what an unused branch gives. */
  empty(shape: number[]): string {
    const name = `const.f32.empty.${shape.join('_')}`;
    return this.#constant({ name, type: 'f32', shape, raw: new Uint8Array(0) });
  }

  #constant(initializer: Initializer): string {
    this.#root.#initializers.set(initializer.name, initializer);
    return initializer.name;
  }

  /** A buffer that the session gets from memory. The same buffer under the same path is kept once. */
  external(path: string, data: Uint8Array): void {
    this.#external.set(path, data);
  }

  /** Whether it is one of the external buffers. */
  has(data: Uint8Array): boolean {
    return [...this.#external.values()].includes(data);
  }

  /** An initializer over a byte range of an external buffer. */
  weight(
    name: string,
    type: ElementType,
    shape: number[],
    at: { path: string; offset: number; length: number },
  ): string {
    const external = { location: at.path, offset: at.offset, length: at.length };
    this.#initializers.set(name, { name, type, shape, external });
    return name;
  }

  #graph(name: string): Graph {
    const { nodes, inputs, outputs } = this;
    return { name, nodes, inputs, outputs, initializers: [...this.#initializers.values()] };
  }

  encode(name: string): { model: Uint8Array; externalData: ExternalData[] } {
    return {
      model: encodeModel(this.#graph(name)),
      externalData: [...this.#external].map(([path, data]) => ({ path, data })),
    };
  }
}
