/** Nodes that serve blobs to others: what one says of another is looked into before it counts. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toHex } from '@blyan/chain/hex';
import { LEAF_SIZE, leafHashes, rootOfLeafList } from '@blyan/chain/merkle';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHarness, until } from './harness.ts';

type Harness = Awaited<ReturnType<typeof openHarness>>;
let t: Harness;
beforeEach(async () => {
  t = await openHarness(8);
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
});

const bytes = Buffer.alloc(2 * LEAF_SIZE + 100, 'a blob');
const leaves = leafHashes(bytes);
const root = toHex(rootOfLeafList(leaves));
const blobs = {
  stat: async (hex: string) => (hex === root ? { byteLength: bytes.length } : null),
  leaves: async () => leaves,
};

/** Serves the blob as a node does, with one byte flipped if it lies. */
async function blobServer(lies: boolean) {
  const asked: string[] = [];
  const sent = Buffer.from(bytes);
  const list = Buffer.from(leaves);
  if (lies) for (const part of [sent, list]) part[LEAF_SIZE % part.length]! ^= 1;
  const handler: RequestListener = ({ url = '', headers }, response) => {
    asked.push(url);
    if (url.endsWith('/leaves')) return void response.end(list);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const [start, end] = [Number(from), Number(to) + 1];
    response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${sent.length}` });
    response.end(sent.subarray(start, end));
  };
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function accused(blobUrl: string, scopes = ['serve', 'blobs']) {
  const node = await t.node({ id: 'node-accused', memory: 1e9 }, scopes);
  const capacity = { memoryBytes: 1e9, weightBytesPerSecond: 1e9, addresses: [], blobUrl };
  node.say({ capacity });
}

const mark = async (id: string) => (await t.db.node.findUniqueOrThrow({ where: { id } })).mark;
const said = (text: string) => t.lines.some(({ message }) => message.includes(text));

test.each([
  ['a chunk', 1, `serves wrong chunk 1 of blob ${root}`],
  ['the list of leaf hashes', null, `serves wrong leaf hashes of blob ${root}`],
])('%s that is wrong: the node is marked, and no longer named to others', async (_, chunk, why) => {
  await using server = await blobServer(true);
  await t.coordinator({}, { blobs });
  await accused(server.url);
  const accuser = await t.node({ id: 'node-accuser', memory: 1e9 });
  accuser.say({ wrongBlobs: [{ source: server.url, root, chunk }] });
  await until(async () => (await mark('node-accused')) !== null);
  expect(await mark('node-accused')).toBe(why);
  expect(await mark('node-accuser')).toBeNull();
  const late = await t.node({ id: 'node-late', memory: 1e9 });
  await until(() => late.assignments.length > 0);
  expect(late.assignments[0]?.blobSources).toBeUndefined();
});

test('who is right is not marked, and not asked again at each heartbeat', async () => {
  await using server = await blobServer(false);
  await t.coordinator({}, { blobs });
  await accused(server.url);
  const accuser = await t.node({ id: 'node-accuser', memory: 1e9 });
  const wrongBlobs = [{ source: server.url, root, chunk: 1 }];
  accuser.say({ wrongBlobs });
  await until(() => said('but does not'));
  for (const chunk of [0, 1, 2]) accuser.say({ wrongBlobs: [{ source: server.url, root, chunk }] });
  await t.node({ id: 'node-late' });
  await until(() => said('a plan was made'));
  expect(server.asked).toHaveLength(1);
  expect(await mark('node-accused')).toBeNull();
});

test.each([
  ['a chunk that no blob has', { root, chunk: 99 }],
  ['a blob that the main node does not have', { root: 'ab'.repeat(32), chunk: 0 }],
])('%s: nobody is asked for it', async (_, wrong) => {
  await using server = await blobServer(true);
  await t.coordinator({}, { blobs });
  await accused(server.url);
  const accuser = await t.node({ id: 'node-accuser', memory: 1e9 });
  accuser.say({ wrongBlobs: [{ source: server.url, ...wrong }] });
  await until(() => said('but does not'));
  expect(server.asked).toEqual([]);
});

test('a server that cannot be reached is not marked; an address that is no node of ours is not asked', async () => {
  await using stranger = await blobServer(true);
  const gone = await blobServer(true);
  await gone[Symbol.asyncDispose]();
  await t.coordinator({}, { blobs });
  await accused(gone.url);
  const accuser = await t.node({ id: 'node-accuser', memory: 1e9 });
  const at = { root, chunk: 1 };
  accuser.say({
    wrongBlobs: [
      { source: stranger.url, ...at },
      { source: gone.url, ...at },
    ],
  });
  await until(() => said('cannot be asked'));
  expect(stranger.asked).toEqual([]);
  expect(await mark('node-accused')).toBeNull();
});
