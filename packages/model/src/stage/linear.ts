/**
 * Verified weights as graph initializers, by stored format.
 *
 * | stored | in the graph | transform |
 * | --- | --- | --- |
 * | f32 | the verified buffer | none |
 * | f16, bf16 | f32, widened exactly | `f16>f32`, `bf16>f32` |
 * | q8, q4 | `MatMulNBits` over the verified buffer, int8 activations | its f16 scales widened to f32 |
 * | fp8, nf4 | `MatMulNBits`, 8 bits; f32 when the stage is to be exact | `fp8>q8`; `fp8>f32` |
 *
 * The runtime has no fp8 product on a CPU, and its nf4 one (`MatMulBnb4`) took 30 times as long.
 */
import type { VerifiedTensor } from '@blyan/chain/tensor';
import { ModelError } from '../errors.ts';
import { widen } from '../formats/convert.ts';
import { checkLength, decodeTensor } from '../formats/decode.ts';
import { BLOCK, elements, type FloatDtype, storedRunLayout } from '../formats/layout.ts';
import { transcode } from '../formats/transcode.ts';
import type { GraphBuilder } from './builder.ts';

/**
 * 4 = activations as int8: 3 times the speed of level 0 on a CPU. Rows in even numbers have the same bits
 * whatever the batch; at level 0 a row alone is summed in another order than rows in company (test/batch.test.ts
 * of the worker).
 */
const ACCURACY_LEVEL = 4;

/** A weight as linear() and norm() refer to it. */
export type WeightRef =
  | { kind: 'float'; name: string; shape: number[] }
  | {
      kind: 'blocks';
      data: string;
      scales: string;
      bits: 4 | 8;
      /** Weights along K that share one scale. */
      block: number;
      shape: number[];
    };

function widened(bytes: Uint8Array, dtype: FloatDtype, count: number): Uint8Array {
  const bits = new Uint32Array(count);
  widen(bytes, dtype, bits);
  return new Uint8Array(bits.buffer);
}

export interface AddWeightOptions {
  /** fp8 and nf4 become f32 instead of 8-bit codes: slower and larger, but no value changes. */
  exact?: boolean;
}

/**
 * Puts a tensor into the graph. Returns how nodes refer to it, and the name of what was done to its
 * bytes for the numerics profile. Keeps no reference to `tensor.bytes` where a transform copied them.
 * @throws ModelError LENGTH_MISMATCH, FORMAT_UNSUPPORTED for a recipe that is not known
 */
export function addWeight(
  g: GraphBuilder,
  tensor: VerifiedTensor,
  { exact = false }: AddWeightOptions = {},
): { ref: WeightRef; transform: string } {
  const { descriptor, bytes } = tensor;
  const { name, shape, format } = descriptor;
  checkLength(descriptor, bytes);
  switch (format) {
    case 'q8':
    case 'q4': {
      const { bits, rows, block, blocks, dataBytes } = storedRunLayout(descriptor);
      const scales = widened(bytes.subarray(dataBytes), 'f16', rows * blocks);
      const blocked = { bits, block, blocks, dataBytes, data: bytes, scales };
      const ref = addBlocks(g, name, shape, blocked);
      return { ref, transform: `${format} scales f16>f32` };
    }
    case 'fp8':
    case 'nf4': {
      if (exact) {
        const data = new Uint8Array(decodeTensor(descriptor, bytes).buffer);
        return { ref: addFloats(g, name, shape, data), transform: `${format}>f32` };
      }
      const { data, scales, blocks } = transcode(descriptor, bytes);
      const dataBytes = data.byteLength;
      const scaleBytes = new Uint8Array(scales.buffer);
      const layout = { bits: 8, block: BLOCK.q8, blocks, dataBytes } as const;
      const blocked = { ...layout, data, scales: scaleBytes };
      return { ref: addBlocks(g, name, shape, blocked), transform: `${format}>q8` };
    }
    case 'f32':
      return { ref: addFloats(g, name, shape, bytes), transform: 'f32' };
    default: {
      const data = widened(bytes, format, elements(shape));
      return { ref: addFloats(g, name, shape, data), transform: `${format}>f32` };
    }
  }
}

function addFloats(g: GraphBuilder, name: string, shape: number[], data: Uint8Array): WeightRef {
  g.external(name, data);
  g.weight(name, 'f32', shape, { path: name, offset: 0, length: data.byteLength });
  return { kind: 'float', name, shape };
}

interface Blocked {
  bits: 4 | 8;
  block: number;
  /** Along K. */
  blocks: number;
  /** Begins with the codes. */
  data: Uint8Array;
  dataBytes: number;
  /** f32. */
  scales: Uint8Array;
}

function addBlocks(g: GraphBuilder, name: string, shape: number[], w: Blocked): WeightRef {
  const [rows] = shape as [number, number];
  const scales = `${name}:scales`;
  const blockBytes = (w.block * w.bits) / 8;
  g.external(name, w.data);
  g.external(scales, w.scales);
  g.weight(name, 'u8', [rows, w.blocks, blockBytes], {
    path: name,
    offset: 0,
    length: w.dataBytes,
  });
  g.weight(scales, 'f32', [rows, w.blocks], {
    path: scales,
    offset: 0,
    length: w.scales.byteLength,
  });
  return { kind: 'blocks', data: name, scales, bits: w.bits, block: w.block, shape };
}

/**
 * y [..., N] = x [..., K] * w[N, K]^T + bias [N]. For f32, FusedMatMul takes the weight as it is stored;
 * Gemm and a MatMul over a transposed copy were equally fast (all three pack it), and all three give a
 * row the same bits whatever the batch.
 */
export function linear(
  g: GraphBuilder,
  name: string,
  x: string,
  w: WeightRef,
  bias?: WeightRef,
): string {
  if (w.kind === 'float') {
    const product = bias ? `${name}.product` : name;
    g.op('FusedMatMul', product, [x, w.name], { transB: { int: 1 } });
    return bias ? g.op('Add', name, [product, vector(bias)]) : product;
  }
  const [n, k] = w.shape as [number, number];
  // No zero points and no group index before the bias.
  const inputs = [x, w.data, w.scales, ...(bias ? ['', '', vector(bias)] : [])];
  return g.op('MatMulNBits', name, inputs, {
    K: { int: k },
    N: { int: n },
    bits: { int: w.bits },
    block_size: { int: w.block },
    accuracy_level: { int: ACCURACY_LEVEL },
  });
}

/** Name of a weight that is not a matrix (norms and biases are never quantized). */
export function vector(w: WeightRef): string {
  if (w.kind !== 'float') throw new ModelError('FORMAT_UNSUPPORTED', { tensor: w.data });
  return w.name;
}
