/** The admin command on a real database and a real Redis. */
import { createDb, type Db } from '@blyan/db/client';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { connect, disconnect, type Redis } from '@blyan/queue/connection';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { parseAdminArgs, parseSpan } from '../src/commands/admin/args.ts';
import { type Output, runAdmin } from '../src/commands/admin/run.ts';
import { quiet } from './quiet.ts';

let database: TestDatabase;
let db: Db;
let redis: Redis;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  db = createDb(database.url);
  redis = connect(inject('redisUrl'), { name: 'admin-test', logger: quiet, use: 'request' });
});
afterAll(async () => {
  await disconnect(redis);
  await db.$disconnect();
  await database[Symbol.asyncDispose]();
});

async function run(line: string): Promise<Output> {
  const args = parseAdminArgs(line.split(' '));
  if (!args) throw new Error('help');
  const actor = { kind: 'command', id: 'tester' } as const;
  return await runAdmin(args, { db, redis, actor, publicUrl: 'https://blyan.test' });
}
const value = async (line: string) => (await run(line)).value as never;

test('a key from its creation to its end', async () => {
  const made: { secret: string; key: { id: string; expiresAt: Date } } = await value(
    'keys create --name w1 --max-nodes 2 --expires 30d --scopes serve,blobs --addresses 10.0.0.0/8',
  );
  expect(made.secret).toMatch(/^blyan_/);
  expect(Number(made.key.expiresAt) - Date.now()).toBeGreaterThan(29 * 86_400_000);
  expect(await value('keys list --state active')).toMatchObject([
    { name: 'w1', maxNodes: 2, scopes: ['serve', 'blobs'], addresses: ['10.0.0.0/8'] },
  ]);
  const leaseUntil = new Date(Date.now() + 60_000);
  await db.node.create({ data: { id: 'n1', version: '1', keyId: made.key.id, leaseUntil } });
  await db.node.update({ where: { id: 'n1' }, data: { address: '10.1.2.3' } });
  expect((await run('keys edit w1 --name w2 --addresses 10.1.0.0/16 --max-nodes 1')).text).toBe(
    '"w2" is changed.',
  );
  await expect(run('keys edit w2')).rejects.toThrow('Say what to change');
  expect(await value('keys edit w2 --addresses any --name w1 --expires never')).toMatchObject({
    key: { name: 'w1', maxNodes: 1, addresses: [], expiresAt: null },
    cut: [],
  });
  expect(await value('keys rotate w1 --grace 12h')).toMatchObject({ cut: [] });
  expect((await run('keys rotate w1 --grace 0')).text).toContain('Cut off: n1');
  await expect(run('keys revoke w1')).rejects.toMatchObject({ code: 'KEY_NAME_WRONG' });
  expect((await run(`keys revoke ${made.key.id} --confirm w1`)).text).toContain('is revoked');
  expect(await value('keys list --state active')).toEqual([]);
  expect(await value('audit list --search key: --actor command --limit 2')).toMatchObject({
    entries: [{ action: 'key.revoke', actorId: 'tester' }, { action: 'key.rotate' }],
    next: expect.any(Number),
  });
  expect(JSON.stringify(await value('audit list'))).not.toContain(made.secret);
});

test('a node is cut off from Redis, in an instant', async () => {
  await db.node.create({ data: { id: 'n2', version: '1', leaseUntil: new Date() } });
  await redis.call('ACL', 'SETUSER', 'blyan:node:n2', 'on', '>pw', '+ping', '+info');
  const url = new URL(inject('redisUrl'));
  url.username = 'blyan:node:n2';
  url.password = 'pw';
  const node = connect(url.href, { name: 'n2', logger: quiet, use: 'request' });
  try {
    expect(await node.ping()).toBe('PONG');
    const gone = new Promise<number>((resolve) => node.once('close', () => resolve(Date.now())));
    const began = Date.now();
    expect(await value('nodes evict n2')).toEqual({ id: 'n2', evicted: true });
    expect((await gone) - began).toBeLessThan(1000);
  } finally {
    node.disconnect();
  }
  expect(await value('nodes list')).toMatchObject([{ id: 'n2', state: 'evicted' }, { id: 'n1' }]);
  await run('nodes drain n2');
  await run('nodes lift n2');
  expect(await db.node.findUnique({ where: { id: 'n2' } })).toMatchObject({
    evictedAt: null,
    draining: false,
  });
});

test('an invitation, and an admin who leaves', async () => {
  expect((await run('admins list')).text).toContain('no admin yet');
  const { url } = (await value('admins invite')) as { url: string };
  expect(url).toMatch(/^https:\/\/blyan\.test\/admin\/setup#[\w-]{43}$/);
  await db.admin.create({ data: { id: 'a', name: 'Ada', email: 'ada@example.org' } });
  await run('admins remove Ada@example.org');
  await expect(run('admins remove ada@example.org')).rejects.toMatchObject({
    code: 'ADMIN_UNKNOWN',
  });
});

test.each([
  ['keys', 'There is no "keys"'],
  ['keys list extra', 'takes no name'],
  ['keys revoke', 'takes one name'],
  ['keys list --grace 1d', '--grace does not go with'],
  ['nodes list --nonsense', "'--nonsense'"],
  ['__proto__ x', 'There is no'],
])('%s is refused', (line, message) => {
  expect(() => parseAdminArgs(line.split(' '))).toThrow(message);
});

test.each([
  ['keys create', '--name is missing'],
  ['keys create --name x --scopes all', 'expected one of serve, blobs'],
  ['keys create --name x --max-nodes 0', 'from 1 to 1000'],
  ['keys create --name x --expires soon', 'expected a time such as'],
  ['keys disable none', 'There is no key "none"'],
])('%s says why not', async (line, message) => {
  await expect(run(line)).rejects.toThrow(message);
});

test('times', () => {
  expect(['0', '90m', '12h', '1.5d', '2w'].map((text) => parseSpan('grace', text))).toEqual([
    0, 5_400_000, 43_200_000, 129_600_000, 1_209_600_000,
  ]);
});
