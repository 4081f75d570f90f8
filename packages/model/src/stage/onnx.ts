/**
 * The part of the ONNX protobuf that a stage graph needs, written with protobufjs' wire `Writer`.
 * Field numbers are those of onnx.proto (IR version 10). A generated encoder would be 50 times this
 * size for the same bytes. Weights never pass through here: an external initializer is a name, a
 * shape and a byte range, so that the protobuf stays a few hundred kilobytes for any model.
 */
import protobuf from 'protobufjs/minimal.js';

const IR_VERSION = 10;
const OPSET = 21;
export const MS_DOMAIN = 'com.microsoft';

/** TensorProto.DataType. */
export const ElementType = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f16: 10 } as const;
export type ElementType = keyof typeof ElementType;

export type Attribute =
  | { int: number }
  | { float: number }
  | { ints: number[] }
  /** A branch: it has no inputs and sees the names of the graph around it. */
  | { graph: Graph };

export interface Node {
  op: string;
  domain?: string;
  inputs: string[];
  outputs: string[];
  attributes?: Record<string, Attribute>;
}

/** A graph input or output; a string is a symbolic dimension. */
export interface ValueInfo {
  name: string;
  type: ElementType;
  shape: (number | string)[];
}

export type Initializer = {
  name: string;
  type: ElementType;
  shape: number[];
} & ({ raw: Uint8Array } | { external: { location: string; offset: number; length: number } });

export interface Graph {
  name: string;
  nodes: Node[];
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  initializers: Initializer[];
}

type Write = (w: protobuf.Writer) => void;
/** What a value is called in the protobuf. */
type Rename = (name: string) => string;

const varint = (field: number) => (field << 3) | 0;
const fixed32 = (field: number) => (field << 3) | 5;
const bytes = (field: number) => (field << 3) | 2;

function message(w: protobuf.Writer, field: number, write: Write): void {
  w.uint32(bytes(field)).fork();
  write(w);
  w.ldelim();
}
function text(w: protobuf.Writer, field: number, value: string): void {
  w.uint32(bytes(field)).string(value);
}

function writeAttribute(w: protobuf.Writer, name: string, value: Attribute, called: Rename) {
  text(w, 1, name);
  if ('float' in value) {
    w.uint32(fixed32(2)).float(value.float);
    w.uint32(varint(20)).int32(1);
  } else if ('int' in value) {
    w.uint32(varint(3)).int64(value.int);
    w.uint32(varint(20)).int32(2);
  } else if ('ints' in value) {
    for (const int of value.ints) w.uint32(varint(8)).int64(int);
    w.uint32(varint(20)).int32(7);
  } else {
    message(w, 6, (w) => writeGraph(w, value.graph, called));
    w.uint32(varint(20)).int32(5);
  }
}

function writeNode(w: protobuf.Writer, node: Node, called: Rename): void {
  for (const input of node.inputs) text(w, 1, called(input));
  for (const output of node.outputs) text(w, 2, called(output));
  text(w, 4, node.op);
  for (const [key, value] of Object.entries(node.attributes ?? {})) {
    message(w, 5, (w) => writeAttribute(w, key, value, called));
  }
  if (node.domain) text(w, 7, node.domain);
}

function writeInitializer(w: protobuf.Writer, init: Initializer, called: Rename): void {
  for (const dim of init.shape) w.uint32(varint(1)).int64(dim);
  w.uint32(varint(2)).int32(ElementType[init.type]);
  text(w, 8, called(init.name));
  if ('raw' in init) {
    w.uint32(bytes(9)).bytes(init.raw);
    return;
  }
  for (const [key, value] of Object.entries(init.external)) {
    message(w, 13, (w) => {
      text(w, 1, key);
      text(w, 2, String(value));
    });
  }
  w.uint32(varint(14)).int32(1);
}

function writeValueInfo(w: protobuf.Writer, info: ValueInfo, called: Rename): void {
  text(w, 1, called(info.name));
  message(w, 2, (w) =>
    message(w, 1, (w) => {
      w.uint32(varint(1)).int32(ElementType[info.type]);
      message(w, 2, (w) => {
        for (const dim of info.shape) {
          message(w, 1, (w) => {
            if (typeof dim === 'number') w.uint32(varint(1)).int64(dim);
            else text(w, 2, called(dim));
          });
        }
      });
    }),
  );
}

function writeGraph(w: protobuf.Writer, graph: Graph, called: Rename): void {
  for (const node of graph.nodes) message(w, 1, (w) => writeNode(w, node, called));
  text(w, 2, called(graph.name));
  for (const init of graph.initializers) message(w, 5, (w) => writeInitializer(w, init, called));
  for (const input of graph.inputs) message(w, 11, (w) => writeValueInfo(w, input, called));
  for (const output of graph.outputs) message(w, 12, (w) => writeValueInfo(w, output, called));
}

/**
 * Numbers for all names but those that a caller knows. The runtime keeps every name several times, and
 * strings of up to 15 characters cost it no memory of their own.
 */
function shortNames({ inputs, outputs }: Graph): Rename {
  const names = new Map([...inputs, ...outputs].map(({ name }) => [name, name]));
  names.set('', '');
  return (name) => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const short = `#${names.size}`;
    names.set(name, short);
    return short;
  };
}

/** ModelProto bytes of a graph. */
export function encodeModel(graph: Graph): Uint8Array {
  const w = protobuf.Writer.create();
  w.uint32(varint(1)).int64(IR_VERSION);
  text(w, 2, 'blyan');
  message(w, 7, (w) => writeGraph(w, graph, shortNames(graph)));
  for (const [domain, version] of [
    ['', OPSET],
    [MS_DOMAIN, 1],
  ] as const) {
    message(w, 8, (w) => {
      if (domain) text(w, 1, domain);
      w.uint32(varint(2)).int64(version);
    });
  }
  return w.finish();
}
