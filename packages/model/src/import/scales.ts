/**
 * Scales of fp8 tensors, which a checkpoint may keep before or behind their tensor or in another file:
 * read before the pass over the shards (a 4096th of the codes' bytes), and compared when it gets there.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '@blyan/chain/hex';
import { rootOfBytes } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';
import { type Checkpoint, readRange } from '../checkpoint.ts';
import { widen } from '../formats/convert.ts';
import type { ShardReader } from './reader.ts';

export interface SourceScales {
  /** Of the fp8 tensor of this name: as f32, and the Merkle root of the bytes in the checkpoint. */
  of(tensor: string): { scales: Float32Array; root: Hash } | null;
  /** @throws ModelError SOURCE_CHANGED when tensor `name` holds scales, and no longer those */
  check(name: string, root: Hash, reader: ShardReader): void;
}

export async function readScales({ dir, shards, tensors }: Checkpoint): Promise<SourceScales> {
  const found = new Map<string, { scales: Float32Array; root: Hash }>();
  const roots = new Map<string, Hash>();
  for (const [shard, { path }] of shards.entries()) {
    const inside = tensors.filter((tensor) => tensor.scales?.shard === shard);
    if (inside.length === 0) continue;
    await using file = await open(join(dir, path), 'r');
    for (const { name, scales: source } of inside) {
      const { offset, length, dtype } = source!;
      const bytes = await readRange(file, offset, length);
      const root = rootOfBytes(bytes);
      const scales = new Float32Array(length / (dtype === 'f32' ? 4 : 2));
      widen(bytes, dtype, new Uint32Array(scales.buffer));
      found.set(name, { scales, root });
      roots.set(source!.name, root);
    }
  }
  return {
    of: (tensor) => found.get(tensor) ?? null,
    check(name, root, reader) {
      const expected = roots.get(name);
      if (expected && !equalBytes(expected, root)) throw reader.changed();
    },
  };
}
