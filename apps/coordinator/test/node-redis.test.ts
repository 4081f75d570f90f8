/** The traffic of nodes on a Redis of its own, with TLS under a certificate that nobody else knows. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, disconnect, type Redis } from '@blyan/queue/connection';
import { createNodeUser, loadNodeScripts } from '@blyan/queue/node-acl';
import { NodeAccess } from '@blyan/queue/node-connection';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type RedisOptions,
  type RunningRedis,
  startRedis,
} from '../../../tooling/local/src/redis.ts';
import { makeCertificates } from '../../../tooling/local/src/test-certificates.ts';
import { openHarness, tokensOf, until } from './harness.ts';
import { quiet } from './quiet.ts';
import { proper, tokensUpTo } from './scripted-node.ts';

let dir: string;
let ca: string;
let server: RunningRedis;
let options: RedisOptions;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-tls-'));
  const tls = await makeCertificates(dir);
  ca = await readFile(tls.caFile, 'utf8');
  options = {
    dir: path.join(dir, 'redis'),
    toolsDir: path.resolve(import.meta.dirname, '../../../data/tools'),
    password: randomUUID(),
    logFile: path.join(dir, 'redis.log'),
    durable: false,
    tls,
  };
  server = await startRedis(options);
});
afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

test('nodes see the one server, the product keeps to the other', async () => {
  await using t = await openHarness(9);
  await t.coordinator({ nodeRedisUrl: server.url, nodeRedisCa: ca });
  const admin = connect(server.url, { name: 'test', logger: quiet, ca });
  await loadNodeScripts(admin);
  const id = `node-${randomUUID()}`;
  const { username, password } = await createNodeUser(admin, id);
  const url = new URL(server.url);
  url.username = encodeURIComponent(username);
  url.password = password;
  await t.db.node.create({
    data: { id, version: '0.1.0', leaseUntil: new Date(Date.now() + 60_000) },
  });
  const access = new NodeAccess({
    redisUrl: url.href,
    redisCa: ca,
    logger: quiet,
    onRefused: () => undefined,
  });
  await t.node({ id, connect: (name) => access.connect(name) });
  const row = await t.row(await t.ask());
  expect(row).toMatchObject({ status: 'completed', output: tokensUpTo(20) });
  const kinds = async (redis: Redis) =>
    [...new Set((await redis.keys('*')).map((key) => key.split(':').slice(0, 2).join(':')))].sort();
  expect(await kinds(admin)).toEqual(['blyan:node', 'blyan:term']);
  expect(await kinds(t.redis)).not.toContain('blyan:node');
  await disconnect(admin);
});

test('an attempt whose end was lost in a restart of Redis moves on in seconds', async () => {
  await using t = await openHarness(9);
  // Long enough that it is not the silence of the node that is noticed.
  const patient = { nodeLostMs: 60_000, noNodeGraceMs: 60_000 };
  await t.coordinator({ ...patient, nodeRedisUrl: server.url, nodeRedisCa: ca });
  const node = await t.node({
    id: 'node-restart',
    connect: (name) => connect(server.url, { name, logger: quiet, ca }),
    script: async (play) => {
      if (play.job.attempt > 1) return proper(play);
      await play.run(5);
      await play.untilCancelled();
    },
  });
  const id = await t.ask();
  await until(async () => tokensOf((await t.reader.read(id)).map((e) => e.event)).length === 5);
  await server.stop();
  server = await startRedis({ ...options, preferredPort: server.port });
  const row = await t.row(id);
  expect(row).toMatchObject({ status: 'completed', attempt: 2, output: tokensUpTo(20) });
  expect(node.jobs.map(({ attempt }) => attempt)).toEqual([1, 2]);
});

test('without the certificate nobody is believed to be that server', async () => {
  const problems: string[] = [];
  const warn = (fields: object) => problems.push(JSON.stringify(fields));
  const redis = connect(server.url, { name: 'test', logger: { ...quiet, warn } });
  await until(() => problems.length > 0);
  expect(problems[0]).toMatch(/self.signed|unable to (verify|get)/i);
  expect(redis.status).not.toBe('ready');
  redis.disconnect();
});
