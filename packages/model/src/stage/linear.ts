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
import type { GraphBuilder } from './builder.ts';
import { widenBf16, widenF16 } from './widen.ts';

/** Weights per scale, along K. */
const BLOCK = 32;
/** 4 = activations as int8: 3 times the speed of level 0 on a CPU, and rows don't depend on the batch. */
const ACCURACY_LEVEL = 4;

/** A weight as linear() and norm() refer to it. */
export type WeightRef =
  | { kind: 'float'; name: string; shape: number[] }
  | { kind: 'blocks'; data: string; scales: string; bits: 4 | 8; shape: number[] };

const f32Bytes = (values: Float32Array) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

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
  switch (format) {
    case 'f32':
    case 'f16':
    case 'bf16': {
      const data =
        format === 'f32' ? bytes : f32Bytes(format === 'f16' ? widenF16(bytes) : widenBf16(bytes));
      g.external(name, data);
      g.weight(name, 'f32', shape, { path: name, offset: 0, length: data.byteLength });
      return {
        ref: { kind: 'float', name, shape },
        transform: format === 'f32' ? 'f32' : `${format}>f32`,
      };
    }
    case 'q8':
    case 'q4': {
      const bits = format === 'q8' ? 8 : 4;
      const [n, k] = shape as [number, number];
      const blocks = Math.ceil(k / BLOCK);
      const perBlock = (BLOCK * bits) / 8;
      const length = n * blocks * perBlock;
      const scales = f32Bytes(widenF16(bytes.subarray(length, length + n * blocks * 2)));
      const scalesName = `${name}:scales`;
      g.external(name, bytes);
      g.external(scalesName, scales);
      g.weight(name, 'u8', [n, blocks, perBlock], { path: name, offset: 0, length });
      g.weight(scalesName, 'f32', [n, blocks], {
        path: scalesName,
        offset: 0,
        length: scales.byteLength,
      });
      return {
        ref: { kind: 'blocks', data: name, scales: scalesName, bits, shape },
        transform: `${format} scales f16>f32`,
      };
    }
    default:
      throw new ModelError('FORMAT_UNSUPPORTED', { tensor: name, format });
  }
}

/** y [..., N] = x [..., K] * w[N, K]^T */
export function linear(g: GraphBuilder, name: string, x: string, w: WeightRef): string {
  if (w.kind === 'float') return g.op('FusedMatMul', name, [x, w.name], { transB: { int: 1 } });
  const [n, k] = w.shape as [number, number];
  return g.op('MatMulNBits', name, [x, w.data, w.scales], {
    K: { int: k },
    N: { int: n },
    bits: { int: w.bits },
    block_size: { int: BLOCK },
    accuracy_level: { int: ACCURACY_LEVEL },
  });
}

/** Name of a weight that is not a matrix (norms are never quantized). */
export function vector(w: WeightRef): string {
  if (w.kind !== 'float') throw new ModelError('FORMAT_UNSUPPORTED', { tensor: w.data });
  return w.name;
}
