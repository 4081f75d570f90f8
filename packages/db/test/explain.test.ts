/** On a chain that is long enough for a choice, every list and search goes through an index, and reads little. */
import { toHex } from '@blyan/chain/hex';
import { sha256 } from '@blyan/chain/sha256';
import { createDb, type Db, PrismaClient } from '@blyan/db/client';
import {
  areWhole,
  chainGrowth,
  chainSummary,
  countAnswers,
  countOtherLayers,
  diffModels,
  listHeaders,
  listModels,
  listModelTensors,
  modelSizes,
  modelsNamed,
} from '@blyan/db/explorer';
import { ownAnswersOfNode, workOfNode } from '@blyan/db/node-work';
import { proveConsistency, proveInclusion } from '@blyan/db/proofs';
import { searchAll } from '@blyan/db/search';
import { modelsOfTensor, ownAnswersOfModels, usesOfTensor } from '@blyan/db/tensor-uses';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';

const BLOCKS = 10_000;
/** Height of a model of many layers, of one tensor each. */
const DEEP = BLOCKS;
const DEEP_LAYERS = 25;
/** Height of a layer block that is in all models. */
const FROZEN = 4242;
/** Rows that a list of 50 may read: of each table as many, and some more for what is found by them. */
const FEW = 400;

const hashOf = (text: string) => sha256(new TextEncoder().encode(text));
const author = hashOf('author1');
/** Of the tensor in two blocks. */
const root = hashOf('t777');

let database: TestDatabase;
let pool: pg.Pool;
let db: Db;
const asked: { text: string; values: unknown[] }[] = [];

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  await fill(database.url);
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  const query = pool.query.bind(pool);
  // What Prisma sends, as it sends it, to be explained afterwards.
  pool.query = ((config: { text: string; values?: unknown[] }, ...rest: unknown[]) => {
    asked.push({ text: config.text, values: config.values ?? [] });
    return (query as (...args: unknown[]) => unknown)(config, ...rest);
  }) as typeof pool.query;
  db = new PrismaClient({ adapter: new PrismaPg(pool) });
}, 60_000);
afterAll(async () => {
  await db?.$disconnect();
  await pool?.end();
  await database?.[Symbol.asyncDispose]();
});

/** Rows for the planner; nothing reads their bytes. */
async function fill(url: string) {
  const filler = createDb(url);
  const rows = `generate_series(0, ${BLOCKS - 1}) AS i`;
  const hash = (text: string) => `sha256(convert_to(${text}, 'UTF8'))`;
  await filler.$executeRawUnsafe(`
    INSERT INTO "Block" ("chain", "height", "hash", "type", "time", "author", "header", "body",
      "bodyHash", "signature")
    SELECT 'B', i, ${hash(`'b' || i`)}, CASE WHEN i = 0 THEN 'genesis' ELSE 'layer' END, i * 1000,
      ${hash(`'author' || i % 3`)}, ${hash(`'h' || i`)}, ${hash(`'y' || i`)}, ${hash(`'y' || i`)},
      ${hash(`'s' || i`)} FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Tensor" ("height", "position", "group", "name", "role", "dtype", "format", "shape",
      "parameters", "byteLength", "root")
    SELECT i, 0, 'layer.' || i % 100, 'model.layers.' || i % 5000 || '.mlp.up_proj.weight', 'up',
      'bf16', 'bf16', '{1}', i, i, ${hash(`'t' || i % 5000`)} FROM ${rows}`);
  await filler.$executeRawUnsafe(`INSERT INTO "TensorName" SELECT DISTINCT "name" FROM "Tensor"`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Model" ("height", "hash", "name", "family", "parameters", "recipe", "layers")
    SELECT i, ${hash(`'m' || i`)}, 'name-' || i, 'qwen3', i, 'raw/1', 2 FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ModelLayer" ("model", "position", "group", "block", "height")
    SELECT i, p, 'layer.' || p, ${hash(`'b' || i`)}, i FROM ${rows}, generate_series(0, 1) AS p`);
  // A model of many layers, and a layer that every model names.
  await filler.$executeRawUnsafe(`
    INSERT INTO "Model" ("height", "hash", "name", "family", "parameters", "recipe", "layers")
    VALUES (${DEEP}, ${hash(`'m' || ${DEEP}`)}, 'deep', 'qwen3', ${DEEP}, 'raw/1', ${DEEP_LAYERS})`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ModelLayer" ("model", "position", "group", "block", "height")
    SELECT ${DEEP}, p, 'layer.' || p, ${hash(`'b' || p`)}, p
    FROM generate_series(0, ${DEEP_LAYERS - 1}) AS p`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ModelLayer" ("model", "position", "group", "block", "height")
    SELECT i, 2, 'norm', ${hash(`'b' || ${FROZEN}`)}, ${FROZEN} FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "LogNode" SELECT 'B', level, i, ${hash(`'n' || i`)}
    FROM ${rows}, generate_series(1, 14) AS level WHERE (i + 1) << level <= ${BLOCKS}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Request" ("id", "model", "params", "deadline", "status")
    SELECT 'request-' || i, ${hash(`'m' || i`)}, '{}', now(), 'completed' FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ModelFile" SELECT i, 0, 'model.safetensors', ${hash(`'f' || i`)}, true FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ModelPart" SELECT i, 'up', 'bf16', 1, i, i FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Attempt" ("requestId", "attempt", "nodeId", "stages")
    SELECT 'request-' || i, 1, 'node-' || i % 500, CASE WHEN i % 10 = 0 THEN
      jsonb_build_array(jsonb_build_object('nodeId', 'node-' || i % 700)) END FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Conversation" ("id", "owner", "title", "settings")
    SELECT 'conversation-' || i, ${hash(`'author' || i`)}, '', '{}' FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "Message" ("id", "conversationId", "role", "requestId")
    SELECT 'message-' || i, 'conversation-' || i, 'assistant', 'request-' || i FROM ${rows}`);
  await filler.$executeRawUnsafe(`
    INSERT INTO "ChainHead" ("chain", "size", "hash", "frontier", "checkpoint", "indexed")
    VALUES ('B', ${BLOCKS}, '', '', '', ${BLOCKS})`);
  await filler.$executeRawUnsafe('ANALYZE');
  await filler.$disconnect();
}

const page = { order: 'desc', limit: 50 } as const;
const sorted = { order: 'asc', limit: 50, cursor: null } as const;
const deep = (options: Partial<Parameters<typeof listModelTensors>[2]>) =>
  listModelTensors(db, DEEP, { ...sorted, limit: 10, sort: 'ordinal', ...options });
const behind = (key: string | number, id: number) => ({ cursor: { key, id } });

/** With how many rows may be read, where it is not a few. */
const QUERIES: [name: string, run: () => Promise<unknown>, most?: number][] = [
  ['the newest blocks', () => listHeaders(db, 'B', page)],
  ['blocks from the middle', () => listHeaders(db, 'B', { ...page, from: 9000 })],
  ['blocks by a rare type', () => listHeaders(db, 'B', { ...page, type: 'genesis' })],
  ['blocks by an author', () => listHeaders(db, 'B', { ...page, author })],
  ['an inclusion proof', () => proveInclusion(db, 'B', { height: 777, size: BLOCKS })],
  ['a consistency proof', () => proveConsistency(db, 'B', { from: 777, to: BLOCKS })],
  ['authors of a chain', () => chainSummary(db, 'B')],
  ['growth of a chain', () => chainGrowth(db, 'B', 20)],
  ['models by height', () => listModels(db, { ...sorted, sort: 'height' })],
  ['models by name', () => listModels(db, { ...sorted, sort: 'name' })],
  ['models by weights', () => listModels(db, { ...sorted, sort: 'parameters' })],
  [
    'models by weights, most first',
    () => listModels(db, { ...sorted, ...page, sort: 'parameters' }),
  ],
  [
    'models behind a height',
    () => listModels(db, { ...sorted, ...behind(777, 777), sort: 'height' }),
  ],
  [
    'models behind a name',
    () => listModels(db, { ...sorted, ...behind('name-777', 777), sort: 'name' }),
  ],
  [
    'models behind a number of weights',
    () => listModels(db, { ...sorted, ...behind(777, 777), sort: 'parameters' }),
  ],
  ['models by words', () => listModels(db, { ...sorted, sort: 'height', q: 'name 777' })],
  ['models of one name', () => modelsNamed(db, 'name-777', 50)],
  ['tensors of a model', () => deep({}), 40],
  ['tensors of a layer', () => deep({ group: 'layer.17' })],
  ['tensors behind a place', () => deep(behind(7, 0)), 40],
  // All of the model are looked through: of each its layer and itself.
  ['tensors by name', () => deep({ sort: 'name' }), 3 * DEEP_LAYERS],
  ['tensors by size', () => deep({ sort: 'byteLength', order: 'desc' }), 3 * DEEP_LAYERS],
  [
    'tensors behind a size',
    () => deep({ ...behind(7, 7 * 1024), sort: 'byteLength', order: 'desc' }),
    3 * DEEP_LAYERS,
  ],
  ['tensors by weights, of a name', () => deep({ sort: 'parameters', q: '.7' }), 3 * DEEP_LAYERS],
  ['tensors of a layer by weights', () => deep({ sort: 'parameters', group: 'layer.7' })],
  [
    'tensors of a format by size',
    () => deep({ sort: 'byteLength', format: 'q4' }),
    3 * DEEP_LAYERS,
  ],
  ['whether a model is whole', () => areWhole(db, [777, DEEP]), DEEP_LAYERS + 3],
  ['sizes of a model', () => modelSizes(db, 777)],
  ['what differs between models', () => diffModels(db, [777, 778], { limit: 50, cursor: null })],
  [
    'what differs behind a place',
    () => diffModels(db, [777, 778], { limit: 50, cursor: { key: 2, id: 0 } }),
  ],
  ['layers that differ', () => countOtherLayers(db, [777, 778])],
  ['uses of a tensor', () => usesOfTensor(db, root, { limit: 50, cursor: null })],
  ['uses behind a block', () => usesOfTensor(db, root, { limit: 50, ...behind(777, 0) })],
  ['models of a tensor', () => modelsOfTensor(db, root, 51)],
  [
    'models of a tensor that all of them have',
    () => modelsOfTensor(db, hashOf(`t${FROZEN}`), 51),
    // The places of its layer, from its index; of the models themselves only those that are wanted.
    BLOCKS + FEW,
  ],
  ['answers of models', () => countAnswers(db, [hashOf('m777')])],
  ['answers of models to one browser', () => ownAnswersOfModels(db, [hashOf('m777')], author, 25)],
  ['work of a node', () => workOfNode(db, 'node-7')],
  ['answers of a node to one browser', () => ownAnswersOfNode(db, 'node-7', author, 25)],
  ['search: a height', () => searchAll(db, '777')],
  ['search: a part of a hash', () => searchAll(db, 'abcd1')],
  ['search: a whole hash of a block', () => searchAll(db, toHex(hashOf('b777')))],
  ['search: a whole hash of a tensor', () => searchAll(db, toHex(root))],
  ['search: a whole hash of a file', () => searchAll(db, toHex(hashOf('f777')))],
  ['search: a tensor', () => searchAll(db, 'layers.777.mlp')],
  ['search: a word of every tensor', () => searchAll(db, 'mlp')],
  ['search: a model', () => searchAll(db, 'deep')],
  ['search: a layer', () => searchAll(db, 'layer.1')],
  ['search: an answer', () => searchAll(db, 'abcdefghijklmnopqrstuvwxyz')],
  ['search: nothing', () => searchAll(db, 'no such words')],
];

/** Small whatever the chain: one row a chain, one row a node. */
const SMALL = new Set(['ChainHead', 'Node']);

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Rows of tables that a part of a plan looked at, those that it then left out too. */
function readBy(node: Plan): number {
  if (node['Relation Name'] === undefined) return 0;
  const left = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  return (node['Actual Rows'] + left) * node['Actual Loops'];
}

test.each(QUERIES)('%s', async (_, run, most = FEW) => {
  asked.length = 0;
  await run();
  const queries = asked.splice(0);
  expect(queries.length).toBeGreaterThan(0);
  for (const { text, values } of queries) {
    const explain = { text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values };
    const { rows } = await pool.query(explain);
    const nodes = nodesOf(rows[0]['QUERY PLAN'][0].Plan);
    const scanned = nodes
      .filter((node) => node['Node Type'] === 'Seq Scan')
      .map((node) => node['Relation Name'] ?? '');
    expect(
      scanned.filter((table) => !SMALL.has(table)),
      text,
    ).toEqual([]);
    const read = nodes.reduce((sum, node) => sum + readBy(node), 0);
    expect(read, text).toBeLessThanOrEqual(most);
  }
});
