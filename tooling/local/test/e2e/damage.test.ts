/** Damaged and missing blobs: the worker refuses them by name, and heals from a second source. */
import { cp, open, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, type Product, startProduct } from '../../src/product.ts';
import { chat, lastingPort, processesOf, type TempDir, tempDataDir } from './support.ts';

/** In the middle of the model, in its second shard. */
const TENSOR = 'model.layers.6.mlp.gate_proj.weight';
/** Genesis and embedding come before layer 0. */
const HEIGHT = 8;

let data: TempDir;
let pristine: TempDir;
let port: number;
let root: string;
const blobFile = (base: string) => path.join(base, 'blobs', root.slice(0, 2), root);

beforeAll(async () => {
  data = await tempDataDir();
  pristine = await tempDataDir();
  port = await lastingPort();
  const product = await startProduct({ dataDir: data.dir, port });
  root = await rootOf(product, TENSOR);
  await product.stop();
  await cp(path.join(data.dir, 'blobs'), path.join(pristine.dir, 'blobs'), { recursive: true });
});
afterAll(async () => {
  expect(await processesOf(data.dir)).toEqual([]);
  await data[Symbol.asyncDispose]();
  await pristine[Symbol.asyncDispose]();
});

/** Starts on the damaged data, looks at what users are told, and stops. */
async function refusal(): Promise<{ ready: { status: number; text: string }; answer: string }> {
  const run = launch({ dataDir: data.dir, port });
  const url = `http://127.0.0.1:${port}`;
  try {
    let ready = { status: 0, text: '' };
    await expect
      .poll(
        async () => {
          const response = await fetch(`${url}/ready`).catch(() => null);
          if (!response) return '';
          ready = { status: response.status, text: await response.text() };
          return ready.text;
        },
        { timeout: 60_000, interval: 200 },
      )
      .toContain(TENSOR);
    const reply = await chat(url, { prompt: 'Hello', max_tokens: 3 });
    expect(reply.status).toBe(503);
    expect(reply.body.response).toBeUndefined();
    // What does not need the weights still works.
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await fetch(`${url}/chain/B/blocks?limit=1`)).status).toBe(200);
    return { ready, answer: JSON.stringify(reply.body) };
  } finally {
    run.child.kill('SIGINT');
    await run.exited;
  }
}

test('one flipped bit: refused with the names of tensor and chunk, never an answer', async () => {
  await flipBit(blobFile(data.dir), 12_345);
  const { ready, answer } = await refusal();
  expect(ready.status).toBe(503);
  for (const text of [ready.text, answer]) {
    expect(text).toContain(TENSOR);
    expect(text).toMatch(/chunk 0\b/);
    expect(text).toMatch(/chain B/);
  }
  expect(answer).toContain('"code":"model_unavailable"');
  expect(await readFile(blobFile(data.dir))).not.toEqual(await readFile(blobFile(pristine.dir)));
});

test('a missing blob: refused by name', async () => {
  await rm(blobFile(data.dir));
  const { ready, answer } = await refusal();
  expect(ready.status).toBe(503);
  expect(answer).toContain(TENSOR);
});

test('with a second source the damage is healed, and said', async () => {
  await cp(blobFile(pristine.dir), blobFile(data.dir));
  await flipBit(blobFile(data.dir), 99);
  const source = await blobServer(path.join(pristine.dir, 'blobs'));
  try {
    const { port: sourcePort } = source.address() as AddressInfo;
    const env = { BLYAN_BLOB_SOURCES: `http://127.0.0.1:${sourcePort}` };
    await using product = await startProduct({ dataDir: data.dir, port, env });
    expect((await chat(product.url, { prompt: 'Hello', max_tokens: 3 })).status).toBe(200);
    const log = await readFile(path.join(data.dir, 'logs', 'worker.log'), 'utf8');
    expect(log).toContain(`${TENSOR}: chunk 0 of blob ${root} was damaged and has been repaired`);
    expect(await readFile(blobFile(data.dir))).toEqual(await readFile(blobFile(pristine.dir)));
  } finally {
    source.closeAllConnections();
    source.close();
  }
});

interface LayerBlock {
  body: { tensors: { name: string; root: string }[] };
}

async function rootOf({ url }: Product, tensor: string): Promise<string> {
  const block = await fetch(`${url}/chain/B/block/${HEIGHT}`);
  const { body } = (await block.json()) as LayerBlock;
  const found = body.tensors.find(({ name }) => name === tensor);
  expect(found).toBeDefined();
  return found!.root;
}

async function flipBit(file: string, offset: number): Promise<void> {
  await using handle = await open(file, 'r+');
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, offset);
  byte[0]! ^= 1;
  await handle.write(byte, 0, 1, offset);
}

/** Another main node's blobs: files, with ranges. */
async function blobServer(dir: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    const [, , name = '', leaves] = (request.url ?? '').split('/');
    try {
      const file = path.join(dir, name.slice(0, 2), leaves ? `${name}.leaves` : name);
      const bytes = await readFile(file);
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
      if (!range) return void response.end(bytes);
      const start = Number(range[1]);
      const end = range[2] ? Number(range[2]) : bytes.length - 1;
      response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${bytes.length}` });
      response.end(bytes.subarray(start, end + 1));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
