import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { LEAF_SIZE, leafHashes, rootOfLeafList } from '@blyan/chain/merkle';

export { LEAF_SIZE };

export async function tempDir(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'blyan-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Deterministic bytes without any period, cheap enough for hundreds of MiB. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  const block = 4096;
  for (let at = 0, n = 0; at < length; at += block, n++) {
    const piece = createHash('shake256', { outputLength: block }).update(`${seed}:${n}`).digest();
    bytes.set(piece.subarray(0, Math.min(block, length - at)), at);
  }
  return bytes;
}

export function describeBlob(bytes: Uint8Array) {
  const leaves = leafHashes(bytes);
  const root = rootOfLeafList(leaves);
  return { bytes, leaves, root, hex: toHex(root), byteLength: bytes.length };
}
export type TestBlob = ReturnType<typeof describeBlob>;

export function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

export interface Served {
  start: number;
  end: number;
  nth: number;
}

/** A real HTTP server with blobs; `misbehave` may answer a range itself, badly, by returning true. */
export async function serve(
  blobs: TestBlob[],
  misbehave: (res: ServerResponse, range: Served, blob: TestBlob) => boolean = () => false,
  leavesOf: (blob: TestBlob) => Uint8Array = (blob) => blob.leaves,
) {
  const ranges: Served[] = [];
  const handler = (req: IncomingMessage, res: ServerResponse) => {
    const [, hex, leaves] = /^\/blobs\/([0-9a-f]{64})(\/leaves)?$/.exec(req.url ?? '') ?? [];
    const blob = blobs.find((b) => b.hex === hex);
    if (!blob) return void res.writeHead(404).end();
    if (leaves) return void res.end(leavesOf(blob));
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '') ?? [];
    const range = { start: Number(from), end: Number(to) + 1, nth: ranges.length };
    ranges.push(range);
    if (misbehave(res, range, blob)) return;
    answer(res, range, blob.bytes);
  };
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    ranges,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function answer(res: ServerResponse, { start, end }: Served, bytes: Uint8Array): void {
  res.writeHead(206, {
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    'content-length': end - start,
  });
  res.end(bytes.subarray(start, end));
}
