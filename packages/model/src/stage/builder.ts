/** Collects nodes, initializers and external buffers of one graph; `encode` makes the protobuf. */
import {
  type Attribute,
  type ElementType,
  encodeModel,
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
    if (!this.#initializers.has(name)) {
      const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      this.#initializers.set(name, { name, type: 'i64', shape: [values.length], raw });
    }
    return name;
  }

  /** A buffer that the session gets from memory. The same buffer under the same path is kept once. */
  external(path: string, data: Uint8Array): void {
    this.#external.set(path, data);
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

  encode(name: string): { model: Uint8Array; externalData: ExternalData[] } {
    const { nodes, inputs, outputs } = this;
    const initializers = [...this.#initializers.values()];
    return {
      model: encodeModel({ name, nodes, inputs, outputs, initializers }),
      externalData: [...this.#external].map(([path, data]) => ({ path, data })),
    };
  }
}
