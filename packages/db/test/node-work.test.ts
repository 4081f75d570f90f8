/** What a node did: alone, as head and as another stage of a pipeline; and whose answers are told. */
import { sha256 } from '@blyan/chain/sha256';
import { createDb, type Db } from '@blyan/db/client';
import { ownAnswersOfNode, workOfNode } from '@blyan/db/node-work';
import { ownAnswersOfModels } from '@blyan/db/tensor-uses';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';

const model = sha256(Uint8Array.of(1));
const other = sha256(Uint8Array.of(2));
const owner = sha256(Uint8Array.of(3));
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));

let database: TestDatabase;
let db: Db;

interface Ran {
  nodeId: string;
  minute: number;
  stages?: string[];
}

async function addAnswer(id: string, of: typeof model, attempts: Ran[], failed = false) {
  await db.request.create({
    data: {
      id,
      model: of,
      params: {},
      deadline: at(60),
      status: failed ? 'failed' : 'completed',
      attempts: {
        create: attempts.map(({ nodeId, minute, stages }, i) => ({
          attempt: i + 1,
          nodeId,
          startedAt: at(minute),
          ...(stages ? { stages: stages.map((stage) => ({ nodeId: stage })) } : {}),
        })),
      },
    },
  });
}

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  db = createDb(database.url);
  await db.model.create({
    data: {
      height: 1,
      hash: model,
      name: 'guide',
      family: 'qwen3',
      parameters: 1,
      recipe: 'raw/1',
      layers: 1,
    },
  });
  await addAnswer('alone', model, [{ nodeId: 'node-a', minute: 1 }]);
  // Twice at the same answer is one answer.
  const twice = [
    { nodeId: 'node-a', minute: 2 },
    { nodeId: 'node-a', minute: 3 },
  ];
  await addAnswer('twice', model, twice, true);
  const stages = ['node-b', 'node-a'];
  await addAnswer('pipeline', other, [{ nodeId: 'node-b', minute: 4, stages }]);
  await addAnswer('elsewhere', other, [{ nodeId: 'node-b', minute: 5 }]);
  await db.conversation.create({
    data: {
      id: 'conversation',
      owner,
      title: '',
      settings: {},
      messages: {
        create: ['alone', 'pipeline', 'elsewhere'].map((requestId) => ({
          id: `message-${requestId}`,
          role: 'assistant' as const,
          requestId,
        })),
      },
    },
  });
});
afterAll(async () => {
  await db?.$disconnect();
  await database?.[Symbol.asyncDispose]();
});

test('counts answers by model, those of pipelines too', async () => {
  const { work, more } = await workOfNode(db, 'node-a');
  expect(more).toBe(false);
  expect(work).toEqual([
    { model: other, name: null, answers: 1, completed: 1, first: at(4), last: at(4) },
    { model, name: 'guide', answers: 2, completed: 1, first: at(1), last: at(3) },
  ]);
  expect((await workOfNode(db, 'node-b')).work).toMatchObject([{ answers: 2 }]);
  expect((await workOfNode(db, 'nobody')).work).toEqual([]);
});

test('names the answers of one browser to itself only', async () => {
  const ids = async (node: string, of: Uint8Array) =>
    (await ownAnswersOfNode(db, node, of, 9)).map(({ id }) => id);
  expect(await ids('node-a', owner)).toEqual(['pipeline', 'alone']);
  expect(await ids('node-b', owner)).toEqual(['elsewhere', 'pipeline']);
  expect(await ids('node-a', sha256(Uint8Array.of(4)))).toEqual([]);
});

test('and so those of models', async () => {
  const ids = async (models: Uint8Array[], of: Uint8Array) =>
    (await ownAnswersOfModels(db, models, of, 9)).map(({ id }) => id);
  expect(await ids([model], owner)).toEqual(['alone']);
  expect((await ids([model, other], owner)).sort()).toEqual(['alone', 'elsewhere', 'pipeline']);
  expect(await ids([], owner)).toEqual([]);
  expect(await ids([model], sha256(Uint8Array.of(4)))).toEqual([]);
  expect(await ownAnswersOfModels(db, [model], owner, 9)).toEqual([
    { id: 'alone', startedAt: expect.any(Date), status: 'completed', model: 'guide' },
  ]);
});
