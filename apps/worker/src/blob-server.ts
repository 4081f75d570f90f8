/**
 * Verified blobs for other nodes, at the main node's own paths: `GET /blobs/{root}` with ranges, and
 * `GET /blobs/{root}/leaves`. Whoever reads verifies, so nothing here needs to be believed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { BlobStore } from '@blyan/store/blob-store';
import type { Logger } from './logger.ts';

/** A worker's disk and network are for its own work first. A client that is refused asks another node. */
const MAX_ACTIVE = 16;
const MAX_CONNECTIONS = 128;
/** A reader that takes nothing for so long is gone. */
const IDLE_MS = 30_000;
const PATH = /^\/blobs\/([0-9a-f]{64})(\/leaves)?$/;
const RANGE = /^bytes=(\d{1,15})-(\d{1,15})?$/;

export interface BlobServer extends AsyncDisposable {
  port: number;
}

export async function serveBlobs(
  { host, port }: { host: string; port: number },
  dir: string,
  logger: Logger,
): Promise<BlobServer> {
  const store = await BlobStore.open(dir);
  let active = 0;
  const server = createServer((request, response) => {
    if (active >= MAX_ACTIVE) {
      response.writeHead(503, { 'retry-after': '1' }).end();
      return;
    }
    active++;
    answer(store, request, response)
      .catch((error: Error) => {
        logger.debug({ problem: error.message }, 'a blob was not sent to its end');
        if (!response.headersSent) response.writeHead(500).end();
        else response.destroy();
      })
      .finally(() => active--);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  store: BlobStore,
  { method, url = '', headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, root, leaves] = PATH.exec(url) ?? [];
  const refuse = (status: number, more = {}) => void response.writeHead(status, more).end();
  if (method !== 'GET' && method !== 'HEAD') return refuse(405);
  const blob = root === undefined ? null : await store.stat(root);
  if (root === undefined || !blob) return refuse(404);
  const common = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
  const send = (status: number, length: number, more = {}) =>
    response.writeHead(status, { ...common, 'content-length': length, ...more });
  if (leaves) {
    const list = await store.leaves(root);
    send(200, list.length).end(method === 'HEAD' ? undefined : list);
    return;
  }
  const { byteLength } = blob;
  const [ranged, first, last] = RANGE.exec(headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(byteLength, last === undefined ? byteLength : Number(last) + 1);
  if (ranged && start >= end) return refuse(416, { 'content-range': `bytes */${byteLength}` });
  if (ranged)
    send(206, end - start, { 'content-range': `bytes ${start}-${end - 1}/${byteLength}` });
  else send(200, byteLength);
  if (method === 'HEAD' || end <= start) response.end();
  else await pipeline(store.read(root, { start, end }), response);
}
