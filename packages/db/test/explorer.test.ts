/** The rows behind the explorer: written with the block, the same when made later, found by index. */
import { toHex } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import {
  emptyRoot,
  Frontier,
  leafHash,
  verifyConsistency,
  verifyInclusion,
} from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { Hash, LayerBody, ModelBody } from '@blyan/chain/types';
import { appendBody, indexChains, listBlocks } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import {
  chainGrowth,
  chainSummary,
  countAnswers,
  countOtherLayers,
  diffModels,
  listHeaders,
  listModels,
  listModelTensors,
  modelSizes,
} from '@blyan/db/explorer';
import { provableSize, proveConsistency, proveInclusion } from '@blyan/db/proofs';
import { searchAll } from '@blyan/db/search';
import { modelsOfTensor, usesOfTensor } from '@blyan/db/tensor-uses';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { layerBody, openTestChain } from './support.ts';

const hash = (text: string): Hash => sha256(new TextEncoder().encode(text));
let t: Awaited<ReturnType<typeof openTestChain>>;
let layers: { group: string; block: Hash }[] = [];

function bodyOf(group: string, names: string[]): LayerBody {
  const tensors = names.flatMap((name) =>
    layerBody(`${group}.${name}`).tensors.map((tensor) => ({ ...tensor, role: name })),
  );
  return { group, tensors };
}

const modelBody = (name: string): ModelBody => ({
  name,
  family: 'qwen3',
  parameters: 1234,
  files: [{ path: 'config.json', byteLength: 4, sha256: hash('c'), root: hash('c') }],
  layers,
  recipe: { name: 'raw', version: 1 },
  source: {
    repository: null,
    revision: null,
    files: [{ path: 'm.safetensors', byteLength: 4, sha256: hash('s') }],
  },
});

beforeAll(async () => {
  t = await openTestChain(inject('databaseUrl'));
  const { db, secretKey } = t;
  const groups = ['embedding', ...[0, 1, 2, 3, 4, 5, 6].map((i) => `layer.${i}`), 'norm'];
  for (const group of groups) {
    const names = group.startsWith('layer') ? ['self_attn.q_proj', 'mlp.up_proj'] : ['weight'];
    const body = bodyOf(group, names);
    const block = await appendBody(db, { chain: 'B', type: 'layer', body, secretKey });
    layers = [...layers, { group, block: block.hash }];
  }
  for (const name of ['tiny-guide', 'big_guide.v2', 'other']) {
    await appendBody(db, { chain: 'A', type: 'model', body: modelBody(name), secretKey });
  }
  const model = (await db.model.findFirstOrThrow({ where: { name: 'other' } })).hash;
  const body = { model, reason: 'replaced' };
  await appendBody(db, { chain: 'A', type: 'retire', body, secretKey });
  const key = generateKeyPair().publicKey;
  const authority = { action: 'add', key } as const;
  await appendBody(db, { chain: 'A', type: 'authority', body: authority, secretKey });
}, 60_000);
afterAll(() => t?.[Symbol.asyncDispose]());

async function derived(db: Db) {
  return {
    nodes: await db.logNode.findMany({
      orderBy: [{ chain: 'asc' }, { level: 'asc' }, { index: 'asc' }],
    }),
    tensors: await db.tensor.findMany({ orderBy: [{ height: 'asc' }, { position: 'asc' }] }),
    names: await db.tensorName.findMany({ orderBy: { name: 'asc' } }),
    models: await db.model.findMany({ orderBy: { height: 'asc' } }),
    layers: await db.modelLayer.findMany({ orderBy: [{ model: 'asc' }, { position: 'asc' }] }),
    files: await db.modelFile.findMany({ orderBy: [{ model: 'asc' }, { position: 'asc' }] }),
    parts: await db.modelPart.findMany({ orderBy: [{ model: 'asc' }, { role: 'asc' }] }),
    heads: await db.chainHead.findMany({
      orderBy: { chain: 'asc' },
      select: { chain: true, size: true, indexed: true, bytes: true },
    }),
  };
}

test('what an append writes is what is made from old blocks', async () => {
  const { db, secretKey } = t;
  const before = await derived(db);
  expect(before.tensors).toHaveLength(16);
  expect(before.heads.every(({ size, indexed }) => size === indexed)).toBe(true);
  await db.$transaction([
    db.logNode.deleteMany(),
    db.tensor.deleteMany(),
    db.tensorName.deleteMany(),
    db.model.deleteMany(),
    db.modelLayer.deleteMany(),
    db.modelPart.deleteMany(),
    db.modelFile.deleteMany(),
    db.chainHead.updateMany({ data: { indexed: 0, bytes: 0 } }),
  ]);
  // A writer that is ahead of the index leaves it alone, so that it has no gap.
  const body = bodyOf('head', ['weight']);
  await appendBody(db, { chain: 'B', type: 'layer', body, secretKey });
  expect(await db.tensor.count()).toBe(0);
  expect(await provableSize(db, 'B')).toBe(0);
  await Promise.all([indexChains(db), indexChains(db)]);
  const after = await derived(db);
  expect(after.models).toEqual(before.models);
  expect(after.layers).toEqual(before.layers);
  expect(after.parts).toEqual(before.parts);
  expect(after.files).toEqual(before.files);
  expect(before.files).toHaveLength(6);
  // From before there was a table of files.
  await db.modelFile.deleteMany();
  await indexChains(db);
  expect((await derived(db)).files).toEqual(before.files);
  expect(after.tensors.slice(0, 16)).toEqual(before.tensors);
  expect(after.nodes.filter(({ chain }) => chain === 'A')).toEqual(
    before.nodes.filter(({ chain }) => chain === 'A'),
  );
  expect(after.heads.map(({ indexed }) => indexed)).toEqual(after.heads.map(({ size }) => size));
});

test('proofs of every block and every older size hold', async () => {
  const { db } = t;
  for (const chain of ['A', 'B', 'L'] as const) {
    const blocks = await listBlocks(db, chain, { from: 0, limit: 100 });
    const size = await provableSize(db, chain);
    expect(size).toBe(blocks.length);
    const frontier = Frontier.empty();
    const roots = [emptyRoot()];
    for (const block of blocks) {
      frontier.append(leafHash(block.hash));
      roots.push(frontier.root());
    }
    const root = roots[size]!;
    for (const { height, hash } of blocks) {
      const proof = await proveInclusion(db, chain, { height, size });
      const leaf = leafHash(hash);
      expect(verifyInclusion({ leaf, index: height, size, proof, root })).toBe(true);
      const older = { oldSize: height, newSize: size, oldRoot: roots[height]!, newRoot: root };
      const path = await proveConsistency(db, chain, { from: height, to: size });
      expect(verifyConsistency({ ...older, proof: path })).toBe(true);
    }
  }
  const outside = { height: 99, size: 100 };
  await expect(proveInclusion(db, 'B', outside)).rejects.toThrow(RangeError);
});

describe('lists', () => {
  test('headers by type and author, both ways', async () => {
    const heights = async (filter: Parameters<typeof listHeaders>[2]) =>
      (await listHeaders(t.db, 'A', filter)).map((row) => row.height);
    expect(await heights({ order: 'desc', limit: 3 })).toEqual([5, 4, 3]);
    expect(await heights({ order: 'desc', limit: 9, from: 2 })).toEqual([2, 1, 0]);
    expect(await heights({ order: 'asc', limit: 2, from: 1, type: 'model' })).toEqual([1, 2]);
    expect(await heights({ order: 'desc', limit: 9, type: 'retire', author: t.publicKey })).toEqual(
      [4],
    );
    expect(await heights({ order: 'asc', limit: 9, author: hash('nobody') })).toEqual([]);
  });

  test('models, sorted, found by words, page by page', async () => {
    const names = async (options: Partial<Parameters<typeof listModels>[1]>) =>
      (
        await listModels(t.db, { sort: 'name', order: 'asc', limit: 9, cursor: null, ...options })
      ).rows.map((row) => row.name);
    expect(await names({})).toEqual(['big_guide.v2', 'other', 'tiny-guide']);
    expect(await names({ q: 'GUIDE' })).toEqual(['big_guide.v2', 'tiny-guide']);
    expect(await names({ q: 'v2 big' })).toEqual(['big_guide.v2']);
    const first = await listModels(t.db, {
      sort: 'parameters',
      order: 'desc',
      limit: 2,
      cursor: null,
    });
    const second = await listModels(t.db, {
      sort: 'parameters',
      order: 'desc',
      limit: 2,
      cursor: first.next,
    });
    expect([...first.rows, ...second.rows].map((row) => row.height)).toEqual([3, 2, 1]);
    expect(second.next).toBeNull();
    expect(first.rows[0]).toMatchObject({ name: 'other', retired: 4 });
  });

  test.each(['ordinal', 'name', 'byteLength', 'parameters'] as const)(
    'tensors of a model by %s: pages join to the whole',
    async (sort) => {
      for (const order of ['asc', 'desc'] as const) {
        const whole = await listModelTensors(t.db, 1, { sort, order, limit: 100, cursor: null });
        expect(whole.rows).toHaveLength(16);
        const joined: string[] = [];
        let cursor: Parameters<typeof listModelTensors>[2]['cursor'] = null;
        do {
          const part = await listModelTensors(t.db, 1, { sort, order, limit: 5, cursor });
          joined.push(...part.rows.map((row) => row.name));
          cursor = part.next;
        } while (cursor);
        expect(joined).toEqual(whole.rows.map((row) => row.name));
      }
    },
  );

  test('filters, and what uses a tensor', async () => {
    const list = { sort: 'ordinal', order: 'asc', limit: 99, cursor: null } as const;
    expect((await listModelTensors(t.db, 1, { ...list, q: 'Q_PROJ' })).rows).toHaveLength(7);
    expect((await listModelTensors(t.db, 1, { ...list, group: 'norm' })).rows).toHaveLength(1);
    expect((await listModelTensors(t.db, 1, { ...list, format: 'q4' })).rows).toHaveLength(0);
    const [tensor] = (await listModelTensors(t.db, 1, { ...list, group: 'layer.3' })).rows;
    const { rows, next } = await usesOfTensor(t.db, tensor!.root, { limit: 5, cursor: null });
    const [use] = rows;
    expect(next).toBeNull();
    expect(toHex(use!.block)).toBe(toHex(layers[4]!.block));
    const models = await modelsOfTensor(t.db, tensor!.root, 10);
    expect(models.map((model) => model.name)).toEqual(['other', 'big_guide.v2', 'tiny-guide']);
    expect(await countAnswers(t.db, [models[0]!.hash])).toBe(0);
  });

  test('the sums of a model are those of its tensors', async () => {
    const { groups, parts } = await modelSizes(t.db, 1);
    const list = { sort: 'ordinal', order: 'asc', limit: 99, cursor: null } as const;
    const { rows } = await listModelTensors(t.db, 1, list);
    const sum = (of: typeof rows) => ({
      tensors: of.length,
      parameters: of.reduce((n, row) => n + row.parameters, 0n),
      bytes: of.reduce((n, row) => n + row.byteLength, 0n),
    });
    expect(groups).toHaveLength(layers.length);
    for (const group of groups) {
      const own = rows.filter((row) => row.group === group.group);
      expect(group).toMatchObject({ ...sum(own), formats: [own[0]!.format] });
    }
    expect(parts.map(({ role }) => role).sort()).toEqual([
      'mlp.up_proj',
      'self_attn.q_proj',
      'weight',
    ]);
    for (const part of parts) {
      expect(part).toMatchObject(sum(rows.filter(({ role }) => role === part.role)));
    }
  });

  test('summary and growth of a chain', async () => {
    const summary = await chainSummary(t.db, 'B');
    expect(summary?.authors.map(toHex)).toEqual([toHex(t.publicKey)]);
    const blocks = await listBlocks(t.db, 'B', { from: 0, limit: 100 });
    const sum = blocks.reduce((n, { sealed }) => n + sealed.header.length + sealed.body.length, 0);
    expect(summary?.bytes).toBe(BigInt(sum + 64 * blocks.length));
    const growth = await chainGrowth(t.db, 'B', 10);
    expect(growth).toHaveLength(10);
    expect(growth.at(-1)?.size).toBe(blocks.length);
    expect(growth.every(({ size }, i) => i === 0 || size >= growth[i - 1]!.size)).toBe(true);
  });
});

describe('search', () => {
  test('by height, on every chain', async () => {
    const { blocks } = await searchAll(t.db, '0');
    expect(blocks.map(({ chain }) => chain)).toEqual(['A', 'B', 'L']);
  });

  test('by a whole hash, or the beginning of one, odd digits too', async () => {
    const hex = toHex(layers[2]!.block);
    for (const text of [hex, hex.slice(0, 8), hex.slice(0, 9), hex.slice(0, 12).toUpperCase()]) {
      const { blocks } = await searchAll(t.db, text);
      expect(blocks.map((block) => toHex(block.hash))).toEqual([hex]);
    }
    const root = hash('layer.1.mlp.up_proj');
    const { tensors } = await searchAll(t.db, toHex(root).slice(0, 10));
    expect(tensors.map(({ name }) => name)).toEqual(['layer.1.mlp.up_proj']);
  });

  test('by the SHA-256 of a file, of every model that has it', async () => {
    const { files } = await searchAll(t.db, toHex(hash('s')).slice(0, 10));
    expect(files.map(({ path, source, model }) => [path, source, model])).toEqual([
      ['m.safetensors', true, 'other'],
      ['m.safetensors', true, 'big_guide.v2'],
      ['m.safetensors', true, 'tiny-guide'],
    ]);
    expect((await searchAll(t.db, toHex(hash('c')))).files[0]).toMatchObject({
      path: 'config.json',
      source: false,
    });
  });

  test('by words of a name', async () => {
    expect((await searchAll(t.db, 'q_proj')).tensors).toHaveLength(7);
    expect((await searchAll(t.db, 'layer.3')).tensors.map(({ name }) => name)).toEqual([
      'layer.3.mlp.up_proj',
      'layer.3.self_attn.q_proj',
    ]);
    expect((await searchAll(t.db, 'layer 3')).layers.map(({ model }) => model)).toEqual([
      'other',
      'big_guide.v2',
      'tiny-guide',
    ]);
    expect((await searchAll(t.db, 'guid')).models).toHaveLength(2);
  });

  test('nothing matches: everything is empty, whatever the text holds', async () => {
    for (const text of ['\'; DROP TABLE "Block" --', '%', "a:* & !b'", '99999999999', '🦔', '\\']) {
      const found = await searchAll(t.db, text);
      expect(Object.values(found).flatMap((part) => part ?? [])).toEqual([]);
    }
  });

  test('whatever is searched for, it is answered', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, async (query) => {
        await searchAll(t.db, query);
      }),
      { numRuns: 30 },
    );
  });
});

test('what differs between two models: layer by layer, in the order of the first, page by page', async () => {
  const { db, secretKey } = t;
  const group = 'layer.2';
  // Of its two tensors one has other bytes, and one another name.
  const [same, renamed] = bodyOf(group, ['mlp.up_proj', 'self_attn.q_proj']).tensors;
  const body: LayerBody = {
    group,
    tensors: [
      { ...same!, root: hash('other bytes') },
      { ...renamed!, name: `${group}.new` },
    ],
  };
  const changed = await appendBody(db, { chain: 'B', type: 'layer', body, secretKey });
  const other = layers.map((layer) =>
    layer.group === group ? { group, block: changed.hash } : layer,
  );
  const model = { ...modelBody('changed'), layers: other };
  const { height } = await appendBody(db, { chain: 'A', type: 'model', body: model, secretKey });
  const whole = await diffModels(db, [1, height], { limit: 9, cursor: null });
  expect(await countOtherLayers(db, [1, height])).toBe(1);
  expect(whole.rows.map(({ name, here, there }) => [name, !!here, !!there])).toEqual([
    ['layer.2.self_attn.q_proj', true, false],
    ['layer.2.mlp.up_proj', true, true],
    ['layer.2.new', false, true],
  ]);
  const first = await diffModels(db, [1, height], { limit: 2, cursor: null });
  const second = await diffModels(db, [1, height], { limit: 2, cursor: first.next });
  expect([...first.rows, ...second.rows]).toEqual(whole.rows);
  expect(second.next).toBeNull();
  expect((await diffModels(db, [1, 2], { limit: 9, cursor: null })).rows).toEqual([]);
  expect(await countOtherLayers(db, [1, 2])).toBe(0);
});
