/** model.safetensors.index.json: which shard holds which tensor. Its claims are checked by the caller. */
import { z } from 'zod';
import { ModelError } from './errors.ts';
import { parseJson } from './json.ts';

/** The largest published dense checkpoints have about 200 shards. */
const MAX_SHARDS = 1024;
/** Names of files beside the index: nothing that leads out of the directory. */
const SHARD_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors$/;

const Index = z.object({
  metadata: z.object({ total_size: z.number().int().min(0).optional() }).optional(),
  weight_map: z.record(
    z.string().min(1).max(256),
    z.string().regex(SHARD_NAME, 'expected the name of a .safetensors file beside the index'),
  ),
});

export interface ShardIndex {
  /** Tensor name to file name. */
  weightMap: Map<string, string>;
  /** Ascending file names. */
  shards: string[];
  /** Bytes of all tensors, as claimed. */
  totalSize: number | null;
}

export function readIndex(path: string, bytes: Uint8Array): ShardIndex {
  const invalid = (reason: string) =>
    new ModelError('INDEX_INVALID', { path, reason }, `${path}: ${reason}.`);
  const result = Index.safeParse(parseJson(bytes, { path, maxDepth: 8 }));
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalid(`${issue?.path.join('.').slice(0, 200)}: ${issue?.message}`);
  }
  const weightMap = new Map(Object.entries(result.data.weight_map));
  const shards = [...new Set(weightMap.values())].sort();
  if (shards.length === 0) throw invalid('it lists no tensors');
  if (shards.length > MAX_SHARDS)
    throw invalid(`it names ${shards.length} files, over ${MAX_SHARDS}`);
  return { weightMap, shards, totalSize: result.data.metadata?.total_size ?? null };
}
