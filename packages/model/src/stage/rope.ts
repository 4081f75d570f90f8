/**
 * Rotary position tables, [context, headDim / 2] each, so that the graph takes a view of the rows of
 * its positions and holds nothing that depends on the position. config.ts bounds their size.
 */
import type { ModelConfig } from '../config.ts';
import { inverseFrequencies, rotationScale } from './frequencies.ts';

export interface RopeTables {
  cos: Float32Array;
  sin: Float32Array;
}

/** Angles as the reference implementations have them: inverse frequencies and products in float32. */
export function ropeTables(config: ModelConfig, positions: number): RopeTables {
  const half = config.headDim / 2;
  const inverse = inverseFrequencies(config);
  const scale = rotationScale(config);
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * inverse[i]!);
      cos[p * half + i] = Math.cos(angle) * scale;
      sin[p * half + i] = Math.sin(angle) * scale;
    }
  }
  return { cos, sin };
}
