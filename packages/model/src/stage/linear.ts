/**
 * Verified weights as graph initializers, by stored format.
 *
 * | stored | in the graph | transform |
 * | --- | --- | --- |
 * | f32 | the verified buffer | none |
 * | f16, bf16 | f32, widened exactly | `f16>f32`, `bf16>f32` |
 * | q8, q4 | `MatMulNBits` over the verified buffer, int8 activations | its f16 scales widened to f32 |
 */
import type { VerifiedTensor } from '@blyan/chain/tensor';
import { ModelError } from '../errors.ts';
import { widen } from '../formats/convert.ts';
import { BLOCK, elements, quantLayout, type SourceDtype } from '../formats/layout.ts';
import type { GraphBuilder } from './builder.ts';

/** 4 = activations as int8: 3 times the speed of level 0 on a CPU, and rows don't depend on the batch. */
const ACCURACY_LEVEL = 4;

/** A weight as linear() and norm() refer to it. */
export type WeightRef =
  | { kind: 'float'; name: string; shape: number[] }
  | { kind: 'blocks'; data: string; scales: string; bits: 4 | 8; shape: number[] };

function widened(bytes: Uint8Array, dtype: SourceDtype, count: number): Uint8Array {
  const bits = new Uint32Array(count);
  widen(bytes, dtype, bits);
  return new Uint8Array(bits.buffer);
}

/**
 * Puts a tensor into the graph. Returns how nodes refer to it, and the name of what was done to its
 * bytes for the numerics profile. Keeps no reference to `tensor.bytes` where a transform copied them.
 */
export function addWeight(
  g: GraphBuilder,
  tensor: VerifiedTensor,
): { ref: WeightRef; transform: string } {
  const { name, shape, format } = tensor.descriptor;
  const { bytes } = tensor;
  if (format === 'q8' || format === 'q4') {
    const { bits, rows, blocks, blockBytes, dataBytes } = quantLayout(format, shape);
    const scales = `${name}:scales`;
    const scaleData = widened(bytes.subarray(dataBytes), 'f16', rows * blocks);
    g.external(name, bytes);
    g.external(scales, scaleData);
    g.weight(name, 'u8', [rows, blocks, blockBytes], { path: name, offset: 0, length: dataBytes });
    g.weight(scales, 'f32', [rows, blocks], {
      path: scales,
      offset: 0,
      length: scaleData.byteLength,
    });
    return {
      ref: { kind: 'blocks', data: name, scales, bits, shape },
      transform: `${format} scales f16>f32`,
    };
  }
  const data = format === 'f32' ? bytes : widened(bytes, format, elements(shape));
  g.external(name, data);
  g.weight(name, 'f32', shape, { path: name, offset: 0, length: data.byteLength });
  return {
    ref: { kind: 'float', name, shape },
    transform: format === 'f32' ? 'f32' : `${format}>f32`,
  };
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
    block_size: { int: BLOCK },
    accuracy_level: { int: ACCURACY_LEVEL },
  });
}

/** Name of a weight that is not a matrix (norms and biases are never quantized). */
export function vector(w: WeightRef): string {
  if (w.kind !== 'float') throw new ModelError('FORMAT_UNSUPPORTED', { tensor: w.data });
  return w.name;
}
