import { arch, platform } from 'node:os';
import type { StageGraph } from '@blyan/model/stage/graph';
import type { NumericsProfile } from '@blyan/protocol/node';
import { env } from 'onnxruntime-node';

/** What the answers of this engine were computed with, for receipts. */
export function numericsProfile(stage: StageGraph): NumericsProfile {
  return {
    provider: 'cpu',
    runtime: `onnxruntime-node ${env.versions.node} ${platform()}-${arch()}`,
    weights: stage.transforms,
    matmul: stage.matmul,
    kv: stage.kv,
  };
}
