/** The admin command on a real database and a real Redis. */
import { createDb, type Db } from '@blyan/db/client';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { writeCluster } from '@blyan/queue/cluster';
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

test('lists say of nodes and keys what the pages say', async () => {
  const { key } = (await value('keys create --name Farm-7 --max-nodes 3')) as {
    key: { id: string };
  };
  const leaseUntil = new Date(Date.now() + 60_000);
  for (const id of ['farm-a', 'farm-b', 'farm-c']) {
    const lease = id === 'farm-c' ? { leaseUntil: new Date(0) } : { leaseUntil };
    await db.node.create({ data: { id, version: '0.1.0', keyId: key.id, ...lease } });
  }
  const lastUsedAt = new Date();
  const last = { lastUsedAt, lastAddress: '203.0.113.9', lastNodeId: 'farm-b' };
  await db.nodeKey.update({ where: { id: key.id }, data: last });
  for (const search of ['farm-7', '203.0.113.9', 'FARM-B', key.id]) {
    expect(await value(`keys list --search ${search} --state active`)).toMatchObject([
      { name: 'Farm-7', liveNodes: 2, maxNodes: 3, ...last },
    ]);
  }
  expect((await run('keys list --search nothing-like-it')).text).toBe('No key fits.');
  const { text: keys } = await run('keys list --search farm-7');
  expect(keys).toMatch(/liveNodes +maxNodes.*lastNodeId +lastAddress\n.* 2 +3 .* farm-b +203/);

  const hash = 'ab'.repeat(32);
  const model = { hash: Buffer.from(hash, 'hex'), name: 'guide', family: 'qwen3' };
  const size = { height: 1, parameters: 1n, recipe: 'bf16', layers: 4 };
  await db.model.create({ data: { ...model, ...size } });
  const load = { running: 2, waiting: 3, tokensPerSecond: 12.5, residentBytes: 2 ** 30 };
  const capacity = { memoryBytes: 8 * 2 ** 30, weightBytesPerSecond: 1, addresses: [] };
  const said = { type: 'status', boot: 'b', version: '0.1.0', state: 'ready', slots: 4 } as const;
  const status = { ...said, model: hash, layers: [0, 3] as [number, number], load, capacity };
  const seen = { serving: true, seen: Date.now(), running: 2, status };
  const nodes = [
    { id: 'farm-a', alive: true, ...seen },
    { id: 'farm-b', alive: false, ...seen },
  ];
  const term = { token: 0n, deposed: () => undefined };
  await writeCluster(redis, term, { at: Date.now(), waiting: 0, running: 2, nodes });
  const listed = (await value('nodes list')) as { id: string }[];
  const row = (id: string) => listed.find((node) => node.id === id);
  expect(row('farm-a')).toMatchObject({
    ...{ state: 'ready', key: 'Farm-7', model: { hash, name: 'guide' }, layers: [0, 3] },
    ...{ memoryBytes: 8 * 2 ** 30, residentBytes: 2 ** 30, slots: 4 },
    ...{ running: 2, waiting: 3, tokensPerSecond: 12.5 },
  });
  const nothing = { model: null, memoryBytes: null, running: null, waiting: null };
  expect(row('farm-b')).toMatchObject({ state: 'silent', ...nothing });
  expect(row('farm-c')).toMatchObject({ state: 'gone', ...nothing });
  const { text } = await run('nodes list');
  expect(text).toMatch(/model +layers +memory +running +waiting +tokensPerSecond +version/);
  expect(text).toMatch(/farm-a +ready +Farm-7 +guide +0-3 +1\.0 of 8\.0 GiB +2 +3 +12\.5 +0\.1\.0/);
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
