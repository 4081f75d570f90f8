/**
 * What a model takes, from its config alone: bytes on chain, in memory on a CPU and on a GPU, and K and
 * V for a context. Sizes of steady state: weights once loaded, without what loading needs on the way.
 */
import type { StoredFormat } from '@blyan/chain/types';
import type { ModelConfig } from '../config.ts';
import { type ExpectedTensor, expectedTensors } from '../families/families.ts';
import { BLOCK, byteLength, elements } from '../formats/layout.ts';

export const KV_TYPES = ['f32', 'f16', 'int8'] as const;
export type KvType = (typeof KV_TYPES)[number];

/** What is planned for by default, up to the model's own maximum. */
const CONTEXTS = [2048, 8192, 32768];

/**
 * Kept free on a GPU for all that is neither weights nor K and V: scores (128 MiB at most), activations
 * and logits of one prefill run, the runtime's buffers, and some 500 MB of a driver's context.
 */
export const RESERVE_BYTES = 1024 ** 3;

export interface MemoryPlan {
  parameters: number;
  formats: WeightMemory[];
  /** Bytes of K and V of one sequence. */
  kv: { context: number; bytes: Record<KvType, number> }[];
  memoryBytes: number;
  reserveBytes: number;
  fits: Fit[];
}

export interface WeightMemory {
  format: StoredFormat;
  chainBytes: number;
  cpuBytes: number;
  gpuBytes: number;
}

export interface Fit {
  format: StoredFormat;
  kv: KvType;
  /** Weights, K and V, and the reserve; one for each context of the plan. */
  totals: { context: number; bytes: number; fits: boolean }[];
  /** Longest context of one sequence that fits, 0 when the weights alone are too large. */
  longest: number;
}

export interface MemoryPlanOptions {
  formats: readonly StoredFormat[];
  /** Of the GPU. */
  memoryBytes: number;
}

export function planMemory(config: ModelConfig, options: MemoryPlanOptions): MemoryPlan {
  const { memoryBytes } = options;
  const formats = options.formats.map((format) => weightMemory(config, format));
  const known = CONTEXTS.filter((context) => context < config.context);
  const kv = [...known, config.context].map((context) => ({
    context,
    bytes: forEachKv((type) => context * kvBytesPerPosition(config, type)),
  }));
  const fits = formats.flatMap(({ format, gpuBytes }) =>
    KV_TYPES.map((type): Fit => {
      const left = memoryBytes - RESERVE_BYTES - gpuBytes;
      const longest = Math.floor(left / kvBytesPerPosition(config, type));
      const totals = kv.map(({ context, bytes }) => {
        const total = gpuBytes + bytes[type] + RESERVE_BYTES;
        return { context, bytes: total, fits: total <= memoryBytes };
      });
      const within = Math.max(0, Math.min(config.context, longest));
      return { format, kv: type, totals, longest: within };
    }),
  );
  const parameters = expectedTensors(config).reduce((sum, t) => sum + elements(t.shape), 0);
  return { parameters, formats, kv, memoryBytes, reserveBytes: RESERVE_BYTES, fits };
}

const forEachKv = (bytes: (type: KvType) => number) =>
  Object.fromEntries(KV_TYPES.map((type) => [type, bytes(type)])) as Record<KvType, number>;

/** K and V of all layers. int8 has one f32 scale for the part of each head. */
export function kvBytesPerPosition(config: ModelConfig, type: KvType): number {
  const { layers, kvHeads, headDim } = config;
  const head = type === 'int8' ? headDim + 4 : headDim * (type === 'f16' ? 2 : 4);
  return 2 * layers * kvHeads * head;
}

function weightMemory(config: ModelConfig, format: StoredFormat): WeightMemory {
  const tensors = expectedTensors(config);
  const sum = (bytes: (tensor: ExpectedTensor) => number) =>
    tensors.reduce((total, tensor) => total + bytes(tensor), 0);
  return {
    format,
    chainBytes: sum(({ shape }) => storedBytes(format, shape)),
    cpuBytes: sum(({ shape, group }) => {
      if (group !== 'embedding') return runtimeBytes(format, shape, 'cpu');
      // Rows are gathered from the stored bytes; a tied head is a second, packed copy.
      const head = config.tied ? runtimeBytes(format, shape, 'cpu') : 0;
      return storedBytes(format, shape) + head;
    }),
    gpuBytes: sum(({ shape, group }) =>
      // Rows are gathered on the host.
      group === 'embedding' && !config.tied ? 0 : runtimeBytes(format, shape, 'gpu'),
    ),
  };
}

/** Vectors (norms) are never quantized; sources have them in 16 bits. */
const storedBytes = (format: StoredFormat, shape: readonly number[]) =>
  byteLength(shape.length === 2 || format === 'f32' ? format : 'bf16', shape);

/**
 * In the form in which kernels take it: see stage/linear.ts for the CPU, which has products of f32 and
 * of blocks with f32 scales. A GPU takes 16-bit floats, and blocks with 16-bit scales.
 */
function runtimeBytes(format: StoredFormat, shape: readonly number[], on: 'cpu' | 'gpu'): number {
  const [rows, columns] = shape;
  const float = on === 'cpu' || format === 'f32' ? 4 : 2;
  const run = RUN[format];
  if (run === undefined || rows === undefined || columns === undefined) {
    return elements(shape) * float;
  }
  const blocks = rows * Math.ceil(columns / run.block);
  return blocks * ((run.block * run.bits) / 8 + float);
}

/** Of formats that are run as blocks of codes; fp8 and nf4 have no kernel and become 8-bit codes. */
const CODES_8 = { bits: 8, block: BLOCK.q8 };
const RUN: Readonly<Partial<Record<StoredFormat, { bits: number; block: number }>>> = {
  q8: CODES_8,
  q4: { bits: 4, block: BLOCK.q4 },
  fp8: CODES_8,
  nf4: CODES_8,
};
