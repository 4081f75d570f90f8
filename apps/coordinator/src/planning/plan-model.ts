/** What a plan needs to know of a model, from the descriptors of its tensors. */
import type { StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import type { ModelConfig } from '@blyan/model/config';
import { kvBytesPerPosition } from '@blyan/model/plan/memory';
import type { Device, PlanModel } from './fleet.ts';

/**
 * Bytes in memory for a stored byte: docs/memory.md. On the CPU 16-bit floats become f32 and so do
 * scales, and what has no kernel becomes 8-bit codes; rounded up.
 */
const IN_MEMORY: Record<Device, Record<StoredFormat, number>> = {
  cpu: { f32: 1, f16: 2, bf16: 2, fp8: 1.12, q8: 1.06, q4: 1.06, nf4: 2.04 },
  gpu: { f32: 1, f16: 1, bf16: 1, fp8: 1, q8: 1, q4: 1, nf4: 2 },
};
/**
 * Positions that a plan keeps room for on each stage: a long question and its answer. A node may have
 * room for more; it says so, and longer ones go to such.
 */
const PLANNED_POSITIONS = 4096;

export interface LayerTensors {
  group: string;
  tensors: readonly Pick<TensorDescriptor, 'byteLength' | 'format'>[];
}

/** @param blocks in order: embedding, layers, norm, head unless it is tied */
export function planModelOf(blocks: readonly LayerTensors[], config: ModelConfig): PlanModel {
  const of = (name: string) => blocks.find(({ group }) => group === name)?.tensors ?? [];
  const layers = blocks.filter(({ group }) => group.startsWith('layer.'));
  const embedding = of('embedding');
  const head = [...of('norm'), ...(config.tied ? embedding : of('head'))];
  const memory = (device: Device) => ({
    layers: layers.map(({ tensors }) => inMemory(tensors, device)),
    // The embedding stays as it is stored; where the head is tied to it, that is a second copy.
    head: stored(embedding) + inMemory(head, device),
  });
  const kvBytes = (type: 'f32' | 'f16') => kvBytesPerPosition(config, type) / config.layers;
  return {
    layerBytes: layers.map(({ tensors }) => stored(tensors)),
    headBytes: stored(head),
    memory: { cpu: memory('cpu'), gpu: memory('gpu') },
    kvBytes: { cpu: kvBytes('f32'), gpu: kvBytes('f16') },
    positions: Math.min(config.context, PLANNED_POSITIONS),
  };
}

const stored = (tensors: LayerTensors['tensors']): number =>
  tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);

const inMemory = (tensors: LayerTensors['tensors'], device: Device): number =>
  tensors.reduce(
    (sum, { byteLength, format }) => sum + Math.ceil(byteLength * IN_MEMORY[device][format]),
    0,
  );
