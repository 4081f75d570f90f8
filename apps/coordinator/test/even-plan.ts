import type { PlanModel } from '../src/planning/fleet.ts';

export const MB = 1e6;

/** A model of equal layers of 10 MB, whose head takes 5 MB more. */
export function evenPlan(layers: number): PlanModel {
  const layerBytes = new Array<number>(layers).fill(10 * MB);
  const memory = { layers: layerBytes, head: 5 * MB };
  return {
    layerBytes,
    headBytes: 0,
    memory: { cpu: memory, gpu: memory },
    kvBytes: { cpu: 0, gpu: 0 },
    positions: 1,
  };
}
