/**
 * A tensor that many later blocks hold, too: its models are found all the same, and its place in each. A model
 * that is old: its other versions are offered first.
 */
import { toHex } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import { sha256 } from '@blyan/chain/sha256';
import type { LayerBody } from '@blyan/chain/types';
import { appendBody } from '@blyan/db/chain';
import { createDb, type Db } from '@blyan/db/client';
import { initGenesis } from '@blyan/db/genesis';
import { modelsOfTensor, usesOfTensor } from '@blyan/db/tensor-uses';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { TensorUsesQuery } from '@blyan/protocol/explorer';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createParsed } from '../src/server/chain/parsed.ts';
import { readLineage } from '../src/server/explorer/lineage.ts';
import { areModelsWhole, readOthers } from '../src/server/explorer/models.ts';
import { search } from '../src/server/explorer/search.ts';
import { readTensor, readUses } from '../src/server/explorer/tensors.ts';

/** Of the tensor, later than all of those that models name: more than a page shows. */
const LATER = 60;

const { secretKey } = generateKeyPair();
const h = (text: string) => sha256(new TextEncoder().encode(text));
const recipe = { name: 'raw', version: 1 };
const shared = h('shared');
const root = toHex(shared);
let database: TestDatabase;
let db: Db;

function layerBody(group: string, name: string): LayerBody {
  const source = { file: h('file'), offset: 0, length: 4, root: shared };
  const tensor = { name, role: 'norm', dtype: 'f32', format: 'f32', shape: [1] } as const;
  const stored = { byteLength: 4, leafSize: 2 ** 20, root: shared, source, recipe };
  return { group, tensors: [{ ...tensor, ...stored, shape: [1] }] };
}
const appendLayer = async (group: string, name: string) => {
  const body = layerBody(group, name);
  return (await appendBody(db, { chain: 'B', type: 'layer', body, secretKey })).hash;
};
async function appendModel(name: string, layers: { group: string; block: Uint8Array }[]) {
  const body = {
    name,
    family: 'qwen3',
    parameters: 1,
    files: [{ path: 'config.json', byteLength: 4, sha256: h('c'), root: h('c') }],
    layers,
    recipe,
    source: {
      repository: null,
      revision: null,
      files: [{ path: 'm.safetensors', byteLength: 4, sha256: h('s') }],
    },
  };
  return toHex((await appendBody(db, { chain: 'A', type: 'model', body, secretKey })).hash);
}

let first: string;
let second: string;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  db = createDb(database.url);
  await initGenesis(db, { network: 'uses', secretKey, time: Date.now() });
  const [one, two] = [
    await appendLayer('layer.0', 'a.norm'),
    await appendLayer('layer.1', 'b.norm'),
  ];
  // Two of its blocks are in the first model: it is one model all the same.
  first = await appendModel('first', [
    { group: 'layer.0', block: one },
    { group: 'layer.1', block: two },
  ]);
  second = await appendModel('second', [{ group: 'layer.1', block: two }]);
  for (let i = 0; i < LATER; i++) await appendLayer('norm', `later.${i}`);
});
afterAll(async () => {
  await db.$disconnect();
  await database[Symbol.asyncDispose]();
});

test('in the database: each model once, newest first, with the layer that has the tensor', async () => {
  const { rows: uses, next } = await usesOfTensor(db, shared, { limit: 50, cursor: null });
  expect(next).toEqual({ key: uses.at(-1)?.height, id: 0 });
  expect(uses.map(({ group }) => group)).toEqual(Array.from({ length: 50 }, () => 'norm'));
  const models = await modelsOfTensor(db, shared, 51);
  expect(
    models.map(({ name, group, layerHeight, tensor }) => [name, group, layerHeight, tensor]),
  ).toEqual([
    ['second', 'layer.1', 2, 'b.norm'],
    ['first', 'layer.0', 1, 'a.norm'],
  ]);
  expect(await modelsOfTensor(db, shared, 1)).toHaveLength(1);
});

test('on its page, with what else there is', async () => {
  const tensor = await readTensor({ db, parsed: createParsed() }, root);
  expect(tensor).toMatchObject({ moreUses: true, moreModels: false });
  expect(tensor.models.map(({ hash, layer }) => [hash, layer.group, layer.height])).toEqual([
    [second, 'layer.1', 2],
    [first, 'layer.0', 1],
  ]);
});

test('every block that holds it, page by page', async () => {
  const heights: number[] = [];
  let at: Record<string, string> = {};
  for (;;) {
    const { uses, next } = await readUses(db, root, TensorUsesQuery.parse({ limit: '25', ...at }));
    heights.push(...uses.map(({ height }) => height));
    if (next === null) break;
    at = { cursor: next };
  }
  expect(heights).toEqual(Array.from({ length: LATER + 2 }, (_, i) => LATER + 2 - i));
  const query = TensorUsesQuery.parse({});
  await expect(readUses(db, 'ab'.repeat(32), query)).rejects.toThrow('No block holds');
});

test('its lineage has a model, and the layer of that model', async () => {
  const ctx = { db, parsed: createParsed() };
  expect(await readLineage(ctx, { tensor: root })).toMatchObject({
    model: { hash: second },
    group: 'layer.1',
    tensors: [{ name: 'b.norm' }],
  });
  expect(await readLineage(ctx, { tensor: root, model: first })).toMatchObject({
    model: { hash: first },
    group: 'layer.0',
    tensors: [{ name: 'a.norm' }],
  });
});

test('a model is compared with those of its name, however many others are newer', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => ({ height: 1000 + i, name: `another ${i}` }));
  const data = [{ height: 900, name: 'first' }, ...rows].map((row) => ({
    ...row,
    hash: Buffer.from(h(row.name + row.height)),
    family: 'qwen3',
    parameters: 1n,
    recipe: 'raw/1',
    layers: 1,
  }));
  await db.model.createMany({ data });
  const { others, more } = await readOthers(db, { hash: first, name: 'first' });
  expect(others.slice(0, 2).map(({ height, name }) => [height, name])).toEqual([
    [900, 'first'],
    [1059, 'another 59'],
  ]);
  expect(others).toHaveLength(51);
  expect(others.map(({ hash }) => hash)).not.toContain(first);
  expect(more).toBe(true);
});

test('what a model is made of lasts once all of its layer blocks are here', async () => {
  expect(await areModelsWhole(db, [first, second])).toBe(true);
  const missing = await appendModel('missing', [{ group: 'layer.0', block: h('no such block') }]);
  expect(await areModelsWhole(db, [missing])).toBe(false);
  expect(await areModelsWhole(db, [first, missing])).toBe(false);
});

test('a hash that nobody knows: the search says what kinds of hashes it knows', async () => {
  const unknown = toHex(h('nothing has this hash'));
  const { results, message } = await search(db, unknown);
  expect(results).toEqual([]);
  expect(message).toContain('hashes of blocks, Merkle roots of tensors and SHA-256 of files');
  expect((await search(db, 'no such thing')).message).toContain('no height, no hash');
  expect((await search(db, root)).message).toBeNull();
});

test('a rare word is found in the name of an old model, a common one in those of new models', async () => {
  const models = async (q: string) =>
    (await search(db, q)).results.flatMap((found) => (found.type === 'model' ? [found.name] : []));
  expect(await models('second')).toEqual(['second']);
  expect((await models('another')).slice(0, 2)).toEqual(['another 59', 'another 58']);
});
