/** What the explorer keeps of blocks that it has read: never more than its bound, and nothing that changes. */
import { toHex } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import { sha256 } from '@blyan/chain/sha256';
import { appendBody } from '@blyan/db/chain';
import { createDb, type Db } from '@blyan/db/client';
import { initGenesis } from '@blyan/db/genesis';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createParsed } from '../src/server/chain/parsed.ts';
import { readBlock } from '../src/server/chain/read.ts';
import { readModel } from '../src/server/explorer/models.ts';
import { Lru } from '../src/server/lru.ts';

const { secretKey } = generateKeyPair();
const h = (text: string) => sha256(new TextEncoder().encode(text));
const recipe = { name: 'raw', version: 1 };
let database: TestDatabase;
let db: Db;
let gone: Db;
let model: string;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  db = createDb(database.url);
  gone = createDb('postgresql://nobody@127.0.0.1:1/nothing');
  await initGenesis(db, { network: 'parsed', secretKey, time: Date.now() });
  const layers = [];
  for (const group of ['embedding', 'layer.0', 'norm']) {
    const source = { file: h('file'), offset: 0, length: 4, root: h(group) };
    const tensor = { name: group, role: group, dtype: 'f32', format: 'f32', shape: [1] } as const;
    const stored = { byteLength: 4, leafSize: 2 ** 20, root: h(group), source, recipe };
    const body = { group, tensors: [{ ...tensor, ...stored, shape: [1] }] };
    const { hash } = await appendBody(db, { chain: 'B', type: 'layer', body, secretKey });
    layers.push({ group, block: hash });
  }
  const body = {
    name: 'small',
    family: 'qwen3',
    parameters: 3,
    files: [{ path: 'config.json', byteLength: 4, sha256: h('c'), root: h('c') }],
    layers,
    recipe,
    source: {
      repository: null,
      revision: null,
      files: [{ path: 'm.safetensors', byteLength: 4, sha256: h('s') }],
    },
  };
  model = toHex((await appendBody(db, { chain: 'A', type: 'model', body, secretKey })).hash);
});
afterAll(async () => {
  await gone.$disconnect();
  await db.$disconnect();
  await database[Symbol.asyncDispose]();
});

test('a block is read and opened once, on its own chain', async () => {
  const parsed = createParsed();
  const block = await readBlock({ db, parsed }, 'A', '1');
  expect(toHex(block.hash)).toBe(model);
  expect(await readBlock({ db: gone, parsed }, 'A', model.toUpperCase())).toBe(block);
  expect(await readBlock({ db, parsed }, 'A', '1')).toBe(block);
  await expect(readBlock({ db, parsed }, 'B', model)).rejects.toThrow('no block');
});

test('sizes of a model are kept, and whether it is retired is not', async () => {
  const parsed = createParsed();
  const first = await readModel({ db, parsed }, model);
  expect(first).toMatchObject({ bytes: 12, tensors: 3, retired: null });
  expect(parsed.sizes.get(model)?.groups).toBe(first.groups);
  const body = { model: Uint8Array.from(Buffer.from(model, 'hex')), reason: 'enough' };
  const { height } = await appendBody(db, { chain: 'A', type: 'retire', body, secretKey });
  const second = await readModel({ db, parsed }, model);
  expect(second).toEqual({ ...first, retired: height });
  expect(second.groups).toBe(first.groups);
});

test('the longest unused ones go first, and none that alone is too large stays', () => {
  const lru = new Lru<number>({ most: 10, sizeOf: (value) => value });
  lru.set('a', 4);
  lru.set('b', 4);
  lru.get('a');
  lru.set('c', 3);
  expect(['a', 'b', 'c'].map((key) => lru.get(key))).toEqual([4, undefined, 3]);
  lru.set('a', 7);
  expect(['a', 'c'].map((key) => lru.get(key))).toEqual([7, 3]);
  lru.set('d', 11);
  expect(['a', 'c', 'd'].map((key) => lru.get(key))).toEqual([7, 3, undefined]);
  lru.set('e', 10);
  expect(lru.get('e')).toBe(10);
});
