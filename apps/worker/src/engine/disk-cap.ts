/** Keeps the blobs of a worker under what its operator gives them. */
import { toHex } from '@blyan/chain/hex';
import type { VerifiedBlock } from '@blyan/chain/verify';
import type { BlobStore } from '@blyan/store/blob-store';
import { EngineError } from './errors.ts';

/**
 * Makes room for what is missing of these blocks: blobs that they do not need go, the ones first that
 * were not used for the longest time. Nothing is taken away where that would not be enough, nor from a
 * main node's own store.
 *
 * @param capBytes most that all blobs may take; 0 is no bound
 * @returns bytes that were freed
 * @throws EngineError DISK_CAP
 */
export async function makeRoom(
  blocks: readonly VerifiedBlock<'layer'>[],
  store: BlobStore,
  capBytes: number,
): Promise<number> {
  if (capBytes === 0 || (await store.isProtected())) return 0;
  const needed = new Map<string, number>();
  for (const { body } of blocks) {
    for (const { root, byteLength } of body.tensors) needed.set(toHex(root), byteLength);
  }
  const present = await store.list();
  const spare = present.filter(({ root }) => !needed.has(root));
  for (const { root } of present) needed.delete(root);
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const used = sum(present.map(({ bytes }) => bytes));
  let excess = used + sum([...needed.values()]) - capBytes;
  const freeable = sum(spare.map(({ bytes }) => bytes));
  if (excess > freeable) {
    const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
    throw new EngineError(
      'DISK_CAP',
      { capBytes, missingBytes: excess - freeable },
      `The layers of this worker take ${mib(capBytes + excess - freeable)} MiB on disk, and BLYAN_WORKER_DISK_MB allows ${mib(capBytes)}.`,
    );
  }
  let freed = 0;
  for (const { root, bytes } of spare.sort((a, b) => a.usedAt - b.usedAt)) {
    if (excess <= 0) break;
    await store.remove(root);
    excess -= bytes;
    freed += bytes;
  }
  return freed;
}
