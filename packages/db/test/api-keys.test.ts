import { createHash } from 'node:crypto';
import { createApiKey, findApiKey, listApiKeys, revokeApiKey } from '@blyan/db/api-keys';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { openTestDb } from './support.ts';

let opened: Awaited<ReturnType<typeof openTestDb>>;
beforeAll(async () => {
  opened = await openTestDb(inject('databaseUrl'));
});
afterAll(() => opened[Symbol.asyncDispose]());

const limits = { name: 'a client', requestsPerMinute: 10, tokensPerMinute: 0, expiresAt: null };

test('a key is found by itself alone, and is nowhere in its row', async () => {
  const { key, row } = await createApiKey(opened.db, limits);
  expect(key).toMatch(/^blyan_[\w-]{43}$/);
  expect(Buffer.from(row.hash)).toEqual(createHash('sha256').update(key).digest());
  expect(key.startsWith(row.prefix)).toBe(true);
  expect(JSON.stringify(row)).not.toContain(key.slice(row.prefix.length));
  expect(await findApiKey(opened.db, key)).toMatchObject({ id: row.id, ...limits });
  for (const wrong of [`${key}x`, key.slice(0, -1), row.prefix, '', key.toUpperCase()])
    expect(await findApiKey(opened.db, wrong)).toBeNull();
});

test('an expired key is none', async () => {
  const at = (ms: number) => ({ ...limits, expiresAt: new Date(Date.now() + ms) });
  expect(await findApiKey(opened.db, (await createApiKey(opened.db, at(-1))).key)).toBeNull();
  expect(
    await findApiKey(opened.db, (await createApiKey(opened.db, at(60_000))).key),
  ).not.toBeNull();
});

test('a revoked key is none at once, and stays in the list', async () => {
  const { key, row } = await createApiKey(opened.db, limits);
  expect(await revokeApiKey(opened.db, row.prefix)).toMatchObject([{ id: row.id }]);
  expect(await findApiKey(opened.db, key)).toBeNull();
  expect(await revokeApiKey(opened.db, row.id)).toEqual([]);
  const listed = (await listApiKeys(opened.db)).find(({ id }) => id === row.id);
  expect(listed?.revokedAt).toBeInstanceOf(Date);
});
