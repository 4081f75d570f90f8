/** The explorer's API over the embedded model's chain, and both verifiers against the running product. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromBase64 } from '@blyan/chain/base64';
import { openBlockAs } from '@blyan/chain/block';
import { openCheckpoint } from '@blyan/chain/checkpoint';
import { decode } from '@blyan/chain/codec';
import { fromHex, toHex } from '@blyan/chain/hex';
import { leafHash, verifyConsistency, verifyInclusion } from '@blyan/chain/merkle';
import type { SealedBlock } from '@blyan/chain/types';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../src/product.ts';

let url: string;
let genesis: string;
let model: string;

/** Registers the tests. @param urlOf where the product answers, once it runs */
export function explorerTests(urlOf: () => string): void {
  describe("the explorer's API", () => {
    beforeAll(async () => {
      url = urlOf();
      genesis = (await json('/chain/A/block/0')).hash;
      model = (await json('/models')).models[0].hash;
    });
    blockTests();
    proofTests();
    modelTests();
    verifierTests();
  });
}

const get = (at: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url + at, { method, headers, signal: AbortSignal.timeout(240_000) });
async function json(at: string) {
  const response = await get(at);
  expect(response.status, at).toBe(200);
  return await response.json();
}
async function ask(): Promise<{ id: string }> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ prompt: 'Hello', max_tokens: 4 });
  const answer = await fetch(`${url}/chat`, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  return await answer.json();
}
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

const blockTests = () =>
  describe('blocks', () => {
    test('pages join to the whole chain, both ways, at the root and under /api', async () => {
      for (const base of ['', '/api']) {
        const down: number[] = [];
        let before = '';
        do {
          const page = await json(`${base}/chain/B/blocks?limit=6${before}`);
          down.push(...page.blocks.map((block: { height: number }) => block.height));
          before = page.next === null ? '' : `&before=${page.next}`;
        } while (before);
        expect(down).toEqual(Array.from({ length: 15 }, (_, i) => 14 - i));
      }
      const up = await json('/chain/B/blocks?from=3&limit=4');
      expect(up.blocks.map((block: { height: number }) => block.height)).toEqual([3, 4, 5, 6]);
      expect(up.next).toBe(7);
    });

    test('filters by type and author', async () => {
      const layers = await json('/chain/B/blocks?type=layer&limit=100');
      expect(layers.blocks).toHaveLength(14);
      const [{ header }] = layers.blocks;
      expect((await json(`/chain/B/blocks?author=${header.author}&limit=100`)).blocks).toHaveLength(
        15,
      );
      expect((await json(`/chain/B/blocks?author=${'0'.repeat(64)}`)).blocks).toEqual([]);
    });

    test('as a table, asked for in either way', async () => {
      for (const response of [
        await get('/chain/B/blocks?limit=2&format=csv'),
        await get('/chain/B/blocks?limit=2', { accept: 'text/csv' }),
      ]) {
        expect(response.headers.get('content-type')).toContain('text/csv');
        expect(response.headers.get('link')).toMatch(/before=13.*rel="next"/);
        const lines = (await response.text()).trimEnd().split('\r\n');
        expect(lines[0]).toBe('chain,height,hash,type,time,author,bodyLength,anchor');
        expect(lines[1]).toMatch(/^B,14,[0-9a-f]{64},layer,/);
        expect(lines).toHaveLength(3);
      }
    });

    test('canonical bytes, cached for good under their hash', async () => {
      const response = await get(`/chain/A/block/${model}?format=cbor`);
      const etag = response.headers.get('etag') ?? '';
      expect(response.headers.get('cache-control')).toContain('immutable');
      const bytes = await bytesOf(response);
      const sealed = decode(bytes, 2 ** 21) as unknown as SealedBlock;
      expect(openBlockAs(fromHex(model), sealed).header.type).toBe('model');
      for (const part of ['header', 'body', 'signature'] as const) {
        const got = await bytesOf(await get(`/chain/A/block/${model}?format=${part}`));
        expect(toHex(got)).toBe(toHex(sealed[part]));
      }
      const at = `/chain/A/block/${model}?format=cbor`;
      expect((await get(at, { 'if-none-match': etag })).status).toBe(304);
      const readable = await get(`/chain/A/block/${model}`);
      const known = { 'if-none-match': readable.headers.get('etag') ?? '' };
      expect((await get(`/chain/A/block/${model}`, known)).status).toBe(304);
      expect((await get('/chain/A/block/1')).headers.get('cache-control')).not.toContain(
        'immutable',
      );
    });

    test('sizes, authors and growth', async () => {
      const { chains } = await json('/chain');
      expect(chains.map((c: { chain: string; size: number }) => [c.chain, c.size])).toEqual([
        ['A', 2],
        ['B', 15],
        ['L', 1],
      ]);
      expect(chains[1].authors).toHaveLength(1);
      expect(chains[1].bytes).toBeGreaterThan(15 * 300);
      const { points } = await json('/chain/B/growth?points=8');
      expect(points.at(-1).size).toBe(15);
    });
  });

const proofTests = () =>
  describe('blobs and proofs', () => {
    test('HEAD, ranges, leaves, and what a client has already', async () => {
      const { tensors } = await json(`/models/${model}/tensors?sort=byteLength&order=desc&limit=1`);
      const { root, byteLength } = tensors[0];
      const head = await get(`/blobs/${root}`, {}, 'HEAD');
      expect(head.headers.get('x-blob-length')).toBe(String(byteLength));
      expect(await bytesOf(head)).toHaveLength(0);
      expect((await get(`/blobs/${root}`, { 'if-none-match': `W/"${root}"` })).status).toBe(304);
      const part = await get(`/blobs/${root}`, { range: 'bytes=-5' });
      expect(part.status).toBe(206);
      expect(await bytesOf(part)).toHaveLength(5);
      const leaves = await bytesOf(await get(`/blobs/${root}/leaves`));
      const index = leaves.length / 32 - 1;
      const proof = await json(`/proofs/chunk?root=${root}&index=${index}`);
      expect(proof.leaf).toBe(toHex(leaves.subarray(32 * index)));
      const input = { leaf: fromHex(proof.leaf), index, size: proof.size };
      const path = proof.path.map(fromHex);
      expect(verifyInclusion({ ...input, proof: path, root: fromHex(root) })).toBe(true);
      expect((await get(`/proofs/chunk?root=${root}&index=${index + 1}`)).status).toBe(404);
    });

    test('what never changes is kept for good, and what may is not', async () => {
      const [first] = (await json(`/models/${model}/tensors?limit=1`)).tensors;
      for (const at of [
        `/blobs/${first.root}/leaves`,
        `/proofs/chunk?root=${first.root}&index=0`,
        '/proofs/inclusion?chain=B&height=1&size=9',
        '/proofs/consistency?chain=B&from=1&to=9',
        `/models/${model}/tensors?limit=2`,
        `/models/${model}/diff?with=${model}`,
      ]) {
        const response = await get(at);
        expect(response.headers.get('cache-control'), at).toContain('immutable');
        const etag = response.headers.get('etag') ?? '';
        expect(etag, at).toMatch(/^"[\w-]+"$/);
        expect((await get(at, { 'if-none-match': etag })).status, at).toBe(304);
      }
      for (const at of [
        '/proofs/inclusion?chain=B&height=1',
        '/proofs/consistency?chain=B&from=1',
        '/models',
        `/models/${model}`,
        `/tensors/${first.root}`,
        `/tensors/${first.root}/uses`,
      ]) {
        expect((await get(at)).headers.get('cache-control'), at).toBe('no-store');
      }
    });

    test('of blocks, under the signed checkpoint', async () => {
      const { bytes } = await json('/chain/B/checkpoint');
      const { size, log: root } = openCheckpoint(fromBase64(bytes)).checkpoint;
      for (const height of [0, 7, 14]) {
        const { hash, header } = await json(`/chain/B/block/${height}`);
        const proof = await json(`/proofs/inclusion?chain=B&height=${height}&size=${size}`);
        const input = { leaf: leafHash(fromHex(hash)), index: height, size, root };
        expect(verifyInclusion({ ...input, proof: proof.path.map(fromHex) })).toBe(true);
        const older = await json(`/proofs/consistency?chain=B&from=${height}&to=${size}`);
        const sizes = {
          oldSize: height,
          newSize: size,
          oldRoot: fromHex(header.log),
          newRoot: root,
        };
        expect(verifyConsistency({ ...sizes, proof: older.path.map(fromHex) })).toBe(true);
      }
    });
  });

const modelTests = () =>
  describe('models and tensors', () => {
    test('a model with its sizes', async () => {
      const details = await json(`/models/${model}`);
      expect(details).toMatchObject({ name: 'blyan-guide', layers: 14, retired: null });
      expect(details.groups.map(({ group }: { group: string }) => group)).toHaveLength(14);
      const sum = details.groups.reduce((n: number, { bytes }: { bytes: number }) => n + bytes, 0);
      expect(sum).toBe(details.bytes);
    });

    test('its tensors page by page, and as a table', async () => {
      const names: string[] = [];
      let cursor = '';
      do {
        const page = await json(`/models/${model}/tensors?sort=name&limit=40${cursor}`);
        names.push(...page.tensors.map(({ name }: { name: string }) => name));
        cursor = page.next === null ? '' : `&cursor=${page.next}`;
      } while (cursor);
      const { tensors } = await json(`/models/${model}`);
      expect(new Set(names).size).toBe(tensors);
      // All of it, although a page has 50 without a limit.
      const csv = await (await get(`/models/${model}/tensors?format=csv`)).text();
      expect(csv.trimEnd().split('\r\n')).toHaveLength(tensors + 1);
    });

    test('a tensor: its descriptor, its block, its model, how many answers', async () => {
      const { tensors } = await json(`/models/${model}/tensors?group=layer.3&q=q_proj`);
      await ask();
      const details = await json(`/tensors/${tensors[0].root}`);
      expect(details).toMatchObject({ ...tensors[0], chunks: expect.any(Number) });
      expect(details.models.map(({ name }: { name: string }) => name)).toEqual(['blyan-guide']);
      expect(details.uses).toHaveLength(1);
      expect(details.source.root).toMatch(/^[0-9a-f]{64}$/);
      // How many, and not which.
      expect(details.answers).toEqual({ count: expect.any(Number), more: false });
      expect(details.answers.count).toBeGreaterThan(0);
      const { uses, next } = await json(`/tensors/${tensors[0].root}/uses?limit=1`);
      expect(uses).toEqual(details.uses);
      expect(next).toBeNull();
      const table = await (await get(`/tensors/${tensors[0].root}/uses?format=csv`)).text();
      expect(table.split('\r\n')[0]).toBe('height,block,group,name');
      expect((await get(`/tensors/${'ab'.repeat(32)}/uses`)).status).toBe(404);
      const nothing = await json(`/models/${model}/diff?with=${model}`);
      expect(nothing).toEqual({ differences: [], layers: 0, next: null });
    });

    test('the search says what it found, or that nothing matches', async () => {
      const types = async (q: string) =>
        (await json(`/search?q=${encodeURIComponent(q)}`)).results.map(
          ({ type }: { type: string }) => type,
        );
      expect(await types('1')).toEqual(['block', 'block']);
      expect(await types(model.slice(0, 10))).toEqual(['block']);
      expect(await types('q_proj')).toContain('tensor');
      expect(await types('layer.3')).toContain('layer');
      expect(await types('GUIDE')).toEqual(['model']);
      const { body } = await json(`/chain/A/block/${model}`);
      const shard = body.source.files.find(({ path }: { path: string }) =>
        path.endsWith('.safetensors'),
      );
      expect(await types(shard.sha256)).toEqual(['file']);
      const nothing = await json('/search?q=no%20such%20thing');
      expect(nothing.results).toEqual([]);
      expect(nothing.message).toContain('Nothing matches "no such thing"');
    });

    test('an answer is found by its whole id only, and its receipt is read', async () => {
      const { id } = await ask();
      const { results } = await json(`/search?q=${id}`);
      expect(results).toEqual([{ type: 'receipt', id }]);
      const details = await json(`/receipts/${results[0].id}`);
      expect(details).toMatchObject({ id, status: 'completed', model, error: null });
      expect(details.receipt).toMatchObject({ requestId: id, model: { block: { hash: model } } });
      expect(details.receipt.layerBlocks).toHaveLength(14);
      expect(JSON.stringify(details)).not.toContain('Hello');
      expect((await json(`/search?q=${id.slice(0, -1)}`)).results).toEqual([]);
      expect((await get(`/receipts/${id.slice(0, -1)}`)).status).toBe(404);
    });

    test.each([
      ['/chain/X/blocks', 'id'],
      ['/receipts/short', 'id'],
      [`/tensors/${'ab'.repeat(32)}/uses?cursor=x`, 'cursor'],
      ['/chain/B/blocks?from=1&before=2', 'before'],
      ['/chain/B/blocks?limit=501', 'limit'],
      ['/chain/B/blocks?author=xyz', 'author'],
      ['/proofs/inclusion?chain=B&height=1&size=99', 'size'],
      ['/proofs/consistency?chain=B&from=9&to=3', 'from'],
      ['/proofs/chunk?root=00&index=0', 'root'],
      ['/models?cursor=%25', 'cursor'],
      // Of a list by height: [1, 1].
      ['/models?sort=name&cursor=WzEsMV0', 'cursor'],
      ['/search', 'q'],
      [`/search?q=${'x'.repeat(257)}`, 'q'],
    ])('%s is 400 and names the field', async (at, param) => {
      const response = await get(at);
      expect(response.status).toBe(400);
      expect((await response.json()).error.param).toBe(param);
    });
  });

interface Verdict {
  ok: boolean;
  bytes: number;
  failed: { step: string; subject: { tensor?: string } } | null;
}
async function command(name: string, args: string[]): Promise<Verdict & { code: number }> {
  const child = spawn(name, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const [code] = await once(child, 'close');
  return { code, ...(JSON.parse(out) as Verdict) };
}
const both = (args: string[]) =>
  Promise.all([
    command(process.execPath, ['tooling/verify/bin/blyan-verify.mjs', ...args, '--json']),
    command('python3', ['-B', 'verifiers/python/verify.py', ...args, '--json']),
  ]);

const verifierTests = () =>
  describe('both verifiers', () => {
    test('find that everything of the embedded chain holds', async () => {
      const { bytes } = await json(`/models/${model}`);
      for (const verdict of await both(['--main', url, '--genesis', genesis, '--all'])) {
        expect(verdict).toMatchObject({ code: 0, ok: true, failed: null });
        expect(verdict.bytes).toBeGreaterThan(bytes);
      }
      const prove = ['--main', url, '--genesis', genesis, '--prove', '--model', 'blyan-guide'];
      for (const verdict of await both(prove)) expect(verdict).toMatchObject({ code: 0, ok: true });
    });

    test('catch a node that changes one byte of one tensor', async () => {
      const { tensors } = await json(`/models/${model}/tensors?group=layer.2&limit=1`);
      const server = createServer(async (request, response) => {
        const range = request.headers.range ? { range: request.headers.range } : {};
        const answer = await get(request.url ?? '/', range as Record<string, string>);
        const bytes = await bytesOf(answer);
        if (request.url === `/blobs/${tensors[0].root}`) bytes[7]! ^= 16;
        response.writeHead(answer.status).end(bytes);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const args = [
        '--main',
        `http://127.0.0.1:${port}`,
        '--genesis',
        genesis,
        '--tensor',
        tensors[0].root,
      ];
      for (const verdict of await both(args)) {
        expect(verdict).toMatchObject({ code: 1, ok: false });
        expect(verdict.failed).toMatchObject({
          step: 'leaf',
          subject: { tensor: tensors[0].name },
        });
      }
      server.closeAllConnections();
      server.close();
    });
  });
