/** Blobs that a worker serves to others, read with the client that workers read them with. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { BlobStore } from '@blyan/store/blob-store';
import { fetchBlob } from '@blyan/store/fetch';
import { httpSource } from '@blyan/store/http-source';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BlobServer, serveBlobs } from '../src/blob-server.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const bytes = randomBytes(2_500_000);
let dir: string;
let server: BlobServer;
let url: string;
let root: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blyan-blobs-'));
  const store = await BlobStore.open(join(dir, 'served'));
  root = toHex((await store.put(bytes)).root);
  server = await serveBlobs({ host: '127.0.0.1', port: 0 }, store.dir, quiet);
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

it('gives a blob to another worker, chunk by chunk', async () => {
  const store = await BlobStore.open(join(dir, 'other'));
  await fetchBlob({ root, byteLength: bytes.length }, { store, sources: [httpSource(url)] });
  const read = new Uint8Array(bytes.length);
  await store.readInto(root, read);
  expect(Buffer.compare(read, bytes)).toBe(0);
});

it.each<[string, RequestInit, number, string]>([
  ['a blob that is not here', {}, 404, `/blobs/${'0'.repeat(64)}`],
  ['anything else', {}, 404, '/etc/passwd'],
  ['a path out of the store', {}, 404, '/blobs/../../secret'],
  ['a write', { method: 'PUT', body: 'x' }, 405, '/blobs/ROOT'],
  ['a range behind the end', { headers: { range: 'bytes=9999999-' } }, 416, '/blobs/ROOT'],
  ['a range', { headers: { range: 'bytes=10-19' } }, 206, '/blobs/ROOT'],
  ['the size', { method: 'HEAD' }, 200, '/blobs/ROOT'],
])('answers %s', async (_name, init, status, path) => {
  const response = await fetch(url + path.replace('ROOT', root), init);
  expect(response.status).toBe(status);
  const body = new Uint8Array(await response.arrayBuffer());
  if (status === 206) expect(Buffer.compare(body, bytes.subarray(10, 20))).toBe(0);
  else expect(body.length).toBe(0);
});
