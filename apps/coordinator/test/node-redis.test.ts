/** The traffic of nodes on a Redis of its own, with TLS under a certificate that nobody else knows. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { connect, disconnect, type Redis } from '@blyan/queue/connection';
import { createNodeUser, loadNodeScripts } from '@blyan/queue/node-acl';
import { NodeAccess } from '@blyan/queue/node-connection';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningRedis, startRedis } from '../../../tooling/local/src/redis.ts';
import { openHarness, until } from './harness.ts';
import { quiet } from './quiet.ts';
import { tokensUpTo } from './scripted-node.ts';

const run = promisify(execFile);
let dir: string;
let ca: string;
let server: RunningRedis;

/** A certificate authority of one's own, and what it signed for 127.0.0.1. */
async function makeCertificates() {
  const file = (name: string) => path.join(dir, name);
  const openssl = (...args: string[]) => run('openssl', args, { cwd: dir });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    ...['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  );
  await openssl(
    ...['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=127.0.0.1'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-keyout', 'server.key', '-out', 'server.pem'],
  );
  return { caFile: file('ca.pem'), certFile: file('server.pem'), keyFile: file('server.key') };
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-tls-'));
  const tls = await makeCertificates();
  ca = await readFile(tls.caFile, 'utf8');
  server = await startRedis({
    dir: path.join(dir, 'redis'),
    toolsDir: path.resolve(import.meta.dirname, '../../../data/tools'),
    password: randomUUID(),
    logFile: path.join(dir, 'redis.log'),
    durable: false,
    tls,
  });
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

test('without the certificate nobody is believed to be that server', async () => {
  const problems: string[] = [];
  const warn = (fields: object) => problems.push(JSON.stringify(fields));
  const redis = connect(server.url, { name: 'test', logger: { ...quiet, warn } });
  await until(() => problems.length > 0);
  expect(problems[0]).toMatch(/self.signed|unable to (verify|get)/i);
  expect(redis.status).not.toBe('ready');
  redis.disconnect();
});
