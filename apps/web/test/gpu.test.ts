/** How nodes join: the routes' own functions on a real PostgreSQL and a real Redis. */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDb } from '@blyan/db/client';
import { evictNode } from '@blyan/db/node-admin';
import {
  createNodeKey,
  disableNodeKey,
  enableNodeKey,
  revokeNodeKey,
  rotateNodeKey,
} from '@blyan/db/node-keys';
import { createTestDatabase } from '@blyan/db/testing';
import { challengeText, type RegisterRequest } from '@blyan/protocol/register';
import { writeCluster } from '@blyan/queue/cluster';
import { connect, disconnect } from '@blyan/queue/connection';
import { deleteNodeUser } from '@blyan/queue/node-acl';
import { NodeAccess } from '@blyan/queue/node-connection';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { startRedis } from '../../../tooling/local/src/redis.ts';
import { makeCertificates } from '../../../tooling/local/src/test-certificates.ts';
import type {} from '../../../tooling/local/src/test-context.ts';
import { readConfig } from '../src/env.ts';
import { createContext } from '../src/server/context.ts';
import type { GateDeps } from '../src/server/gpu/deps.ts';
import { heartbeat } from '../src/server/gpu/heartbeat.ts';
import { challengeNode, registerNode } from '../src/server/gpu/register.ts';
import { gpuStatus } from '../src/server/gpu/status.ts';
import { ApiError } from '../src/server/http/errors.ts';

const log = () => undefined;
const logger = { info: log, warn: log, error: log, debug: log } as unknown as GateDeps['logger'];
const ADMIN = { kind: 'admin' as const, id: 'admin@example.org' };
const MACHINE_KEY = 'a-key-of-the-main-node-itself';
const GENESIS = 'ab'.repeat(32);

let deps: GateDeps;
let databaseUrl: string;
const users = new Set<string>();
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const url = new URL(inject('redisUrl'));
  url.pathname = '/8';
  const postgres = await createTestDatabase(inject('databaseUrl'));
  databaseUrl = postgres.url;
  const db = createDb(databaseUrl, { poolSize: 6 });
  const redis = connect(url.href, { name: 'test', logger });
  await redis.flushdb();
  deps = {
    db,
    redis,
    nodeRedis: redis,
    nodeRedisCa: undefined,
    logger,
    config: { apiKey: MACHINE_KEY, nodeRedisPublicUrl: url.href },
    models: { genesis: async () => GENESIS },
  };
  closing.push(
    async () => postgres[Symbol.asyncDispose](),
    () => db.$disconnect(),
    () => disconnect(redis),
    () => Promise.all([...users].map((id) => deleteNodeUser(redis, id))),
  );
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

let counter = 0;
/** A node with a key pair of its own; ids are not used twice, users of Redis are global. */
function newNode(id = `gpu-${process.pid}-${counter++}`) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const jwk = publicKey.export({ format: 'jwk' });
  users.add(id);
  return { id, publicKey: Buffer.from(jwk.x ?? '', 'base64url').toString('hex'), privateKey };
}
type TestNode = ReturnType<typeof newNode>;

const from = (key: string | null, address = '10.0.0.1') =>
  new Headers({ 'x-forwarded-for': address, ...(key && { authorization: `Bearer ${key}` }) });

const signed = (text: string, key: KeyObject) => sign(null, Buffer.from(text), key).toString('hex');

async function bodyOf(node: TestNode, change: Partial<RegisterRequest> = {}) {
  const { id: nodeId, publicKey } = node;
  const { challenge } = await challengeNode({ nodeId, publicKey }, from(null), deps);
  const signature = signed(challengeText(challenge, nodeId), node.privateKey);
  return { nodeId, publicKey, challenge, signature, version: '0.1.0', ...change };
}

const join = async (node: TestNode, key: string, address?: string) =>
  registerNode(await bodyOf(node), from(key, address), deps);

const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`expected a refusal, got ${error}`);
  return `${error.status} ${error.code}`;
};

const newKey = async (change: Partial<Parameters<typeof createNodeKey>[1]> = {}) =>
  createNodeKey(
    deps.db,
    { name: `key ${process.pid} ${counter++}`, scopes: ['serve'], maxNodes: 2, ...change },
    ADMIN,
  );

const beat = (node: TestNode, token: string) =>
  heartbeat({ nodeId: node.id, now: Date.now() }, from(token), deps);

describe('a heartbeat', () => {
  test.each([
    ['hours ahead', 3 * 3600_000],
    ['days behind', -2 * 86_400_000],
  ])(
    'of a node whose clock is %s is as good as another, and the clock is said',
    async (_, offMs) => {
      const node = newNode();
      const { secret } = await newKey();
      const { lease } = await join(node, secret);
      const lines: [fields: { aheadMs?: number }, message: string][] = [];
      const warn = (fields: object, message: string) => void lines.push([fields, message]);
      const watched = { ...deps, logger: { ...logger, warn } as unknown as GateDeps['logger'] };
      const leaseUntil = async () =>
        (await deps.db.node.findUniqueOrThrow({ where: { id: node.id } })).leaseUntil?.getTime() ??
        0;
      const before = await leaseUntil();
      const beatAt = (now: number, token: string) =>
        heartbeat({ nodeId: node.id, now }, from(token), watched);
      const right = await beatAt(Date.now(), lease.token);
      expect(lines).toEqual([]);
      const wrong = await beatAt(Date.now() + offMs, right.lease.token);
      expect(lines).toEqual([
        [{ nodeId: node.id, aheadMs: expect.any(Number) }, 'the clock of a node is wrong'],
      ]);
      expect(Math.abs((lines[0]?.[0].aheadMs ?? 0) - offMs)).toBeLessThan(5000);
      expect(wrong.lease.ttlMs).toBeGreaterThan(0);
      // Of its own time nothing got into the lease.
      expect(Math.abs((await leaseUntil()) - before)).toBeLessThan(20_000);
    },
  );
});

describe('registration', () => {
  test('gives a lease, and a Redis user that works', async () => {
    const node = newNode();
    const { secret, key } = await newKey();
    const before = Date.now();
    const reply = await join(node, secret);
    expect(reply).toMatchObject({ nodeId: node.id, genesis: GENESIS });
    const { redisUrl } = reply;
    const redis = new NodeAccess({ redisUrl, logger, onRefused: log }).connect('test');
    expect(await redis.set(`blyan:node:${node.id}:x`, '1')).toBe('OK');
    await expect(redis.set('blyan:node:other:x', '1')).rejects.toThrow(/NOPERM/);
    await disconnect(redis);
    const row = await deps.db.node.findUniqueOrThrow({ where: { id: node.id } });
    expect(row).toMatchObject({ keyId: key.id, address: '10.0.0.1', version: '0.1.0' });
    expect(row.leaseUntil?.getTime()).toBeGreaterThanOrEqual(before + reply.lease.ttlMs);
    const entry = await deps.db.auditEntry.findFirst({
      where: { subject: `node:${node.id}`, action: 'node.register' },
    });
    expect(entry).toMatchObject({ actor: 'node', actorId: node.id, address: '10.0.0.1' });
    expect(JSON.stringify(entry?.after)).not.toContain(secret);
  });

  test('where nodes have a Redis of their own, its certificate comes with the registration', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'blyan-tls-'));
    const tls = await makeCertificates(dir);
    const server = await startRedis({
      dir: path.join(dir, 'redis'),
      toolsDir: path.resolve(import.meta.dirname, '../../../data/tools'),
      password: randomUUID(),
      logFile: path.join(dir, 'redis.log'),
      durable: false,
      tls,
    });
    const ctx = createContext(
      readConfig({
        DATABASE_URL: databaseUrl,
        REDIS_URL: deps.config.nodeRedisPublicUrl,
        NODE_REDIS_URL: server.url,
        NODE_REDIS_CA: tls.caFile,
        BLYAN_LOG_LEVEL: 'silent',
      }),
    );
    try {
      const { config, nodeRedis, nodeRedisCa } = ctx;
      const node = newNode();
      const { secret } = await newKey();
      const own = { ...deps, config, nodeRedis, nodeRedisCa };
      const { redisUrl, redisCa } = await registerNode(await bodyOf(node), from(secret), own);
      expect(new URL(redisUrl)).toMatchObject({
        protocol: 'rediss:',
        port: new URL(server.url).port,
      });
      expect(redisCa).toMatch(/^-----BEGIN CERTIFICATE-----/);
      const redis = new NodeAccess({ redisUrl, redisCa, logger, onRefused: log }).connect('test');
      expect(await redis.set(`blyan:node:${node.id}:x`, '1')).toBe('OK');
      await disconnect(redis);
      // Not on the product's own.
      expect(String(await deps.redis.acl('USERS'))).not.toContain(node.id);
      expect(await deps.redis.exists(`blyan:node:${node.id}:x`)).toBe(0);
    } finally {
      await ctx.intake[Symbol.asyncDispose]();
      await ctx.answers[Symbol.asyncDispose]();
      await Promise.all([disconnect(ctx.redis), disconnect(ctx.nodeRedis)]);
      await ctx.db.$disconnect();
      await server.stop();
      await rm(dir, { recursive: true });
    }
  });

  test("the main node's own key is one like others, X-API-Key is as good as Bearer", async () => {
    const node = newNode();
    const headers = new Headers({ 'x-api-key': MACHINE_KEY, 'x-forwarded-for': '::1' });
    await registerNode(await bodyOf(node), headers, deps);
    const status = await gpuStatus(headers, deps);
    expect(status.nodes.map(({ id }) => id)).toContain(node.id);
  });

  test('keys that are not good', async () => {
    const node = newNode();
    expect(await refusal(registerNode(await bodyOf(node), from(null), deps))).toBe(
      '401 missing_api_key',
    );
    expect(await refusal(join(node, 'no-such-key-0123456789'))).toBe('401 invalid_api_key');
    const { secret, key } = await newKey();
    await disableNodeKey(deps.db, key.id, ADMIN);
    expect(await refusal(join(node, secret))).toBe('403 key_disabled');
    await enableNodeKey(deps.db, key.id, ADMIN);
    const rotated = await rotateNodeKey(deps.db, { id: key.id, graceDays: 0 }, ADMIN);
    expect(await refusal(join(node, secret))).toBe('401 invalid_api_key');
    await join(node, rotated.secret);
    await revokeNodeKey(deps.db, { id: key.id, typed: null }, ADMIN);
    expect(await refusal(join(node, rotated.secret))).toBe('403 key_revoked');
    const blobs = await newKey({ scopes: ['blobs'] });
    // What its node may do is the coordinator's to hold.
    await join(node, blobs.secret);
    const ranged = await newKey({ addresses: ['192.0.2.0/24'] });
    expect(await refusal(join(node, ranged.secret))).toBe('403 key_address_not_allowed');
    await join(node, ranged.secret, '192.0.2.7');
    const short = await newKey({ expiresAt: new Date(Date.now() + 40) });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await refusal(join(node, short.secret))).toBe('403 key_expired');
  });

  test('as many nodes at a time as the key allows', async () => {
    const { secret } = await newKey({ maxNodes: 1 });
    const [first, second] = [newNode(), newNode()];
    const results = await Promise.allSettled([join(first, secret), join(second, secret)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [inside, outside] =
      results[0]?.status === 'fulfilled' ? [first, second] : [second, first];
    await join(inside, secret);
    expect(await refusal(join(outside, secret))).toBe('429 key_nodes_exhausted');
    await deps.db.node.update({ where: { id: inside.id }, data: { leaseUntil: new Date(0) } });
    await join(outside, secret);
  });

  test('a name belongs to the key pair that took it first, whoever has the API key', async () => {
    const node = newNode();
    const { secret } = await newKey({ maxNodes: 5 });
    await join(node, secret);
    expect(await refusal(join(newNode(node.id), secret))).toBe('409 node_name_taken');
    await join(node, secret);
  });

  test('a challenge is for one node and one use, and only with its signature', async () => {
    const { secret } = await newKey({ maxNodes: 9 });
    const [node, other] = [newNode(), newNode()];
    const send = async (body: RegisterRequest) =>
      refusal(registerNode(body, from(secret, '10.9.9.9'), deps));
    const body = await bodyOf(node);
    const foreign = signed(challengeText(body.challenge, node.id), other.privateKey);
    expect(await send({ ...body, signature: foreign })).toBe('401 challenge_invalid');
    expect(await send({ ...body, nodeId: other.id })).toBe('401 challenge_invalid');
    expect(await send({ ...body, publicKey: other.publicKey })).toBe('401 challenge_invalid');
    const [, nonce, sum] = body.challenge.split('.');
    const later = `${Date.now() + 3600_000}.${nonce}.${sum}`;
    const forged = signed(challengeText(later, node.id), node.privateKey);
    expect(await send({ ...body, challenge: later, signature: forged })).toBe(
      '401 challenge_invalid',
    );
    await registerNode(body, from(secret, '10.9.9.9'), deps);
    expect(await send(body)).toBe('401 challenge_invalid');
  });

  test('a node that an admin does not want, or that lied', async () => {
    const { secret } = await newKey();
    const node = newNode();
    await join(node, secret);
    await evictNode(deps.db, node.id, ADMIN);
    expect(await refusal(join(node, secret))).toBe('403 node_evicted');
    const where = { where: { id: node.id } };
    await deps.db.node.update({ ...where, data: { evictedAt: null, draining: true } });
    expect(await refusal(join(node, secret))).toBe('403 node_draining');
    await deps.db.node.update({ ...where, data: { draining: false, mark: 'it lied' } });
    expect(await refusal(join(node, secret))).toBe('403 node_marked');
  });

  test.each([
    ['address', (_: number) => '203.0.113.9'],
    ['IPv6 network', (i: number) => `2001:db8:0:9::${i + 1}`],
  ])('refusals from one %s are bounded, and in the audit log once a minute', async (_name, at) => {
    const node = newNode();
    const seen: string[] = [];
    for (let i = 0; i < 31; i++) {
      const body = { ...(await bodyOf(node)), challenge: 'x'.repeat(40) };
      seen.push(await refusal(registerNode(body, from('no-such-key', at(i)), deps)));
    }
    expect(new Set(seen.slice(0, 30))).toEqual(new Set(['401 challenge_invalid']));
    expect(seen[30]).toBe('429 too_many_attempts');
    const addresses = seen.map((_, i) => at(i));
    const where = { address: { in: addresses }, action: 'node.refuse' };
    expect(await deps.db.auditEntry.count({ where })).toBe(1);
  });
});

describe('a lease', () => {
  test('is renewed, says what is wished, and ends with a new registration', async () => {
    const node = newNode();
    const { secret } = await newKey();
    const { lease } = await join(node, secret);
    const where = { where: { id: node.id } };
    await deps.db.node.update({ ...where, data: { leaseUntil: new Date(Date.now() + 500) } });
    const reply = await beat(node, lease.token);
    expect(reply.wish).toBe('serve');
    expect(Math.abs(reply.now - Date.now())).toBeLessThan(1000);
    const { leaseUntil } = await deps.db.node.findUniqueOrThrow(where);
    expect(leaseUntil?.getTime()).toBeGreaterThan(Date.now() + lease.ttlMs - 5000);
    await deps.db.node.update({ ...where, data: { draining: true } });
    expect((await beat(node, reply.lease.token)).wish).toBe('drain');
    await deps.db.node.update({ ...where, data: { draining: false } });
    const again = await join(node, secret);
    expect(await refusal(beat(node, lease.token))).toBe('401 lease_unknown');
    await beat(node, again.lease.token);
  });

  test('is nothing for others, and not renewed once it or its key has ended', async () => {
    const [node, other] = [newNode(), newNode()];
    const { secret, key } = await newKey();
    const { lease } = await join(node, secret);
    await join(other, secret);
    expect(await refusal(beat(other, lease.token))).toBe('401 lease_unknown');
    expect(await refusal(beat(node, `${lease.token}x`))).toBe('401 lease_unknown');
    const where = { where: { id: node.id } };
    await deps.db.node.update({ ...where, data: { leaseUntil: new Date(Date.now() - 1) } });
    expect(await refusal(beat(node, lease.token))).toBe('401 lease_unknown');
    const fresh = await join(node, secret);
    await revokeNodeKey(deps.db, { id: key.id, typed: null }, ADMIN);
    expect(await refusal(beat(node, fresh.lease.token))).toBe('401 lease_unknown');
    const { leaseUntil } = await deps.db.node.findUniqueOrThrow(where);
    expect(leaseUntil).toBeNull();
  });

  test('of a secret in its grace period does not outlive it', async () => {
    const node = newNode();
    const { secret, key } = await newKey();
    await rotateNodeKey(deps.db, { id: key.id, graceDays: 3 / 86_400 }, ADMIN);
    const { lease } = await join(node, secret);
    await beat(node, lease.token);
    const { leaseUntil } = await deps.db.node.findUniqueOrThrow({ where: { id: node.id } });
    expect(leaseUntil?.getTime()).toBeLessThan(Date.now() + 3500);
  });

  test('of a secret that was rotated since ends with its grace period, too', async () => {
    const node = newNode();
    const { secret, key } = await newKey();
    const { lease } = await join(node, secret);
    const rotate = (graceDays: number) => rotateNodeKey(deps.db, { id: key.id, graceDays }, ADMIN);
    await rotate(3 / 86_400);
    const where = { where: { id: node.id } };
    const { previousUntil } = await deps.db.nodeKey.findUniqueOrThrow({ where: { id: key.id } });
    const next = await beat(node, lease.token);
    expect((await deps.db.node.findUniqueOrThrow(where)).leaseUntil).toEqual(previousUntil);
    // The next rotation gives it no second grace.
    const { secret: newest } = await rotate(1);
    await beat(node, next.lease.token);
    expect((await deps.db.node.findUniqueOrThrow(where)).leaseUntil).toEqual(previousUntil);
    const { lease: own } = await join(node, newest);
    await beat(node, own.token);
    const { leaseUntil } = await deps.db.node.findUniqueOrThrow(where);
    expect(leaseUntil?.getTime()).toBeGreaterThan(Number(previousUntil));
  });
});

test('the status of a key: its own nodes, as the coordinator sees them', async () => {
  const [node, other] = [newNode(), newNode()];
  const { secret, key } = await newKey();
  await join(node, secret);
  await join(other, (await newKey()).secret);
  const status = { type: 'status', boot: '1', version: '0.1.0', state: 'ready', slots: 2 } as const;
  await writeCluster(
    deps.redis,
    { token: BigInt(Date.now()), deposed: () => undefined },
    {
      at: Date.now(),
      waiting: 0,
      running: 1,
      nodes: [{ id: node.id, alive: true, serving: true, seen: Date.now(), running: 1, status }],
    },
  );
  const reply = await gpuStatus(from(secret), deps);
  expect(reply.key).toEqual({
    name: key.name,
    prefix: key.prefix,
    scopes: ['serve'],
    maxNodes: 2,
    expiresAt: null,
  });
  expect(reply.nodes).toMatchObject([{ id: node.id, alive: true, running: 1, status }]);
  expect(await refusal(gpuStatus(from('no-such-key'), deps))).toBe('401 invalid_api_key');
});
