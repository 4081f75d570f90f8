import { arch, platform } from 'node:os';
import type { NumericsProfile } from '@blyan/protocol/node';
import { env } from 'onnxruntime-node';
import type { StageNumerics } from './stage-parts.ts';

/** What the answers of this engine were computed with, for receipts. */
export function numericsProfile({ transforms, matmul, kv }: StageNumerics): NumericsProfile {
  return {
    provider: 'cpu',
    runtime: `onnxruntime-node ${env.versions.node} ${platform()}-${arch()}`,
    weights: transforms,
    matmul,
    kv,
  };
}
