/** Leases that end: the node is out of Redis within a second, and its answers move on. */
import { randomUUID } from 'node:crypto';
import { drainNode, evictNode } from '@blyan/db/node-admin';
import { createNodeKey, disableNodeKey, revokeNodeKey } from '@blyan/db/node-keys';
import { createNodeUser, loadNodeScripts, nodesWithUsers } from '@blyan/queue/node-acl';
import { NodeAccess } from '@blyan/queue/node-connection';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openHarness, until } from './harness.ts';
import { quiet } from './quiet.ts';
import { tokensUpTo } from './scripted-node.ts';

const ADMIN = { kind: 'admin' as const, id: 'admin@example.org' };
const DATABASE = 8;
let t: Awaited<ReturnType<typeof openHarness>>;
let key: Awaited<ReturnType<typeof createNodeKey>>['key'];

beforeAll(async () => {
  t = await openHarness(DATABASE);
  await loadNodeScripts(t.redis);
  await t.coordinator();
});
beforeEach(async () => {
  const input = { name: `operator ${randomUUID()}`, scopes: ['serve'], maxNodes: 9 };
  key = (await createNodeKey(t.db, input, ADMIN)).key;
});
afterEach(async () => {
  const left = await t.db.node.findMany({ where: { leaseUntil: { not: null } } });
  await t.db.node.updateMany({ data: { leaseUntil: null } });
  await until(async () => {
    const users = await nodesWithUsers(t.redis);
    return !left.some(({ id }) => users.has(id));
  });
});
afterAll(() => t[Symbol.asyncDispose]());

/** A node as a registration leaves it: a lease, a user, connections of its own. */
async function member({ leaseMs = 60_000, ms = 20 } = {}) {
  // Users belong to the server, and other files use it too.
  const id = `node-${randomUUID()}`;
  const { username, password } = await createNodeUser(t.redis, id);
  const url = new URL(inject('redisUrl'));
  url.pathname = `/${DATABASE}`;
  url.username = encodeURIComponent(username);
  url.password = password;
  let refusedAt = 0;
  let cutAt = 0;
  const access = new NodeAccess({
    redisUrl: url.href,
    logger: quiet,
    onRefused: () => {
      refusedAt = performance.now();
    },
  });
  await t.db.node.create({
    data: {
      id,
      version: '0.1.0',
      keyId: key.id,
      leaseUntil: new Date(Date.now() + leaseMs),
    },
  });
  const node = await t.node({
    id,
    script: (play) => play.run(20, ms),
    connect: (name) => {
      const redis = access.connect(name);
      redis.on('close', () => {
        cutAt ||= performance.now();
      });
      return redis;
    },
  });
  return { id, node, cut: () => cutAt, refused: () => refusedAt };
}

const jobsOf = ({ node }: Awaited<ReturnType<typeof member>>) => node.jobs.length;

describe('what ends a lease cuts the node off within a second', () => {
  const ends: [string, (id: string) => Promise<unknown>][] = [
    ['a revoked key', () => revokeNodeKey(t.db, { id: key.id, typed: null }, ADMIN)],
    ['a disabled key', () => disableNodeKey(t.db, key.id, ADMIN)],
    [
      'a key that expires',
      () => t.db.nodeKey.update({ where: { id: key.id }, data: { expiresAt: new Date() } }),
    ],
    ['an eviction', (id) => evictNode(t.db, id, ADMIN)],
    [
      'a mark',
      (id) => t.db.node.update({ where: { id }, data: { mark: 'it lied', markedAt: new Date() } }),
    ],
    [
      'its time',
      (id) => t.db.node.update({ where: { id }, data: { leaseUntil: new Date(Date.now() - 1) } }),
    ],
  ];
  test.each(ends)('%s', async (_name, end) => {
    const first = await member({ ms: 100 });
    const id = await t.ask();
    await until(() => jobsOf(first) === 1);
    // Of another key: it stays.
    const other = { name: `another ${first.id}`, scopes: ['serve'], maxNodes: 1 };
    const mine = key;
    key = (await createNodeKey(t.db, other, ADMIN)).key;
    const second = await member();
    key = mine;
    await until(
      async () => (await t.db.request.findUniqueOrThrow({ where: { id } })).attempt === 1,
    );
    await end(first.id);
    const began = performance.now();
    await until(() => first.refused() > 0);
    expect(first.cut() - began).toBeLessThan(1000);
    const row = await t.row(id);
    expect(row).toMatchObject({ status: 'completed', attempt: 2, output: tokensUpTo(20) });
    const users = await nodesWithUsers(t.redis);
    expect([users.has(first.id), users.has(second.id)]).toEqual([false, true]);
    const entry = await t.db.auditEntry.findFirst({
      where: { subject: `node:${first.id}`, action: 'node.cut' },
    });
    expect(entry).toMatchObject({ action: 'node.cut', actor: 'system' });
  });
});

test('a node that comes back with a new lease is taken again', async () => {
  const node = await member({ leaseMs: 300 });
  await until(() => node.refused() > 0);
  const url = new URL(inject('redisUrl'));
  expect((await nodesWithUsers(t.redis)).has(node.id)).toBe(false);
  await t.db.node.update({
    where: { id: node.id },
    data: { leaseUntil: new Date(Date.now() + 60_000) },
  });
  const { username, password } = await createNodeUser(t.redis, node.id);
  url.pathname = `/${DATABASE}`;
  url.username = encodeURIComponent(username);
  url.password = password;
  const access = new NodeAccess({ redisUrl: url.href, logger: quiet, onRefused: () => undefined });
  const again = await t.node({ id: node.id, connect: (name) => access.connect(name) });
  const id = await t.ask();
  expect((await t.row(id)).status).toBe('completed');
  expect(again.jobs).toHaveLength(1);
});

test('a node that an admin wants to drain is told so', async () => {
  const { id, node } = await member();
  await drainNode(t.db, id, true, ADMIN);
  await until(() => node.controls.some(({ type }) => type === 'drain'));
});

test('a coordinator that stands by cuts off, too', async () => {
  await using other = await openHarness(10);
  const inAMinute = new Date(Date.now() + 60_000);
  // The one that leads has just died.
  const lease = { name: 'coordinator', holder: 'another', token: 1n, until: inAMinute };
  await other.db.lease.create({ data: lease });
  await other.coordinator();
  const id = `node-${randomUUID()}`;
  await createNodeUser(other.redis, id);
  await other.db.node.create({ data: { id, version: '0.1.0', leaseUntil: inAMinute } });
  const { lines } = other;
  expect(lines.map(({ message }) => message)).toContain('standing by: another coordinator leads');
  await evictNode(other.db, id, ADMIN);
  const began = performance.now();
  await until(async () => !(await nodesWithUsers(other.redis)).has(id));
  expect(performance.now() - began).toBeLessThan(1000);
});

test('nodes of others on the same server are none of ours', async () => {
  const id = `node-${randomUUID()}`;
  await createNodeUser(t.redis, id);
  const { refused } = await member({ leaseMs: 300 });
  await until(() => refused() > 0);
  const users = await nodesWithUsers(t.redis);
  expect(users.has(id)).toBe(true);
  await t.redis.call('acl', 'deluser', `blyan:node:${id}`);
});
