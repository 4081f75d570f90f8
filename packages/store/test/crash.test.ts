import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BlobStore } from '@blyan/store/blob-store';
import { fetchBlob } from '@blyan/store/fetch';
import { httpSource } from '@blyan/store/http-source';
import { describe, expect, it } from 'vitest';
import { describeBlob, LEAF_SIZE, pattern, serve, tempDir } from './support.ts';

const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Runs the child until it says that it is in the middle, then kills it the hard way. */
async function killInTheMiddle(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, ['--import', TSX, CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('kill -9', () => {
  it('in mid-write leaves no blob, and the next open cleans up', async () => {
    await using dir = await tempDir();
    await killInTheMiddle('write', dir.path);
    expect(await readdir(join(dir.path, 'tmp'))).toHaveLength(1);
    await BlobStore.open(dir.path);
    expect(await readdir(dir.path)).toEqual(['tmp']);
    expect(await readdir(join(dir.path, 'tmp'))).toEqual([]);
  }, 30_000);

  it('in mid-download loses no verified chunk', async () => {
    await using dir = await tempDir();
    const blob = describeBlob(pattern(6 * LEAF_SIZE + 5, 21));
    await using stuck = await serve([blob], (res, range, { bytes }) => {
      res.writeHead(206, {
        'content-range': `bytes ${range.start}-${range.end - 1}/${bytes.length}`,
      });
      res.write(bytes.subarray(0, 3.5 * LEAF_SIZE));
      return true;
    });
    await killInTheMiddle('fetch', dir.path, blob.hex, String(blob.byteLength), stuck.url);
    const store = await BlobStore.open(dir.path);
    expect(await store.has(blob.hex)).toBe(false);
    await using server = await serve([blob]);
    await fetchBlob(blob, { store, sources: [httpSource(server.url)], concurrency: 1 });
    expect(server.ranges).toMatchObject([{ start: 3 * LEAF_SIZE }]);
    const target = new Uint8Array(blob.byteLength);
    await store.readInto(blob.root, target);
    expect(Buffer.compare(target, blob.bytes)).toBe(0);
  }, 30_000);
});
