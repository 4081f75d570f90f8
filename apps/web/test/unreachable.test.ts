/** Redis and PostgreSQL that are down, or that take connections and then say nothing. */
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { createDb } from '@blyan/db/client';
import { connect, disconnect } from '@blyan/queue/connection';
import { describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { freshCluster } from '../src/server/cluster.ts';
import { toApiError } from '../src/server/http/errors.ts';

const quiet = { info: () => {}, warn: () => {}, error: () => {} };

/** Forwards until it is frozen: then connections stay open and nothing passes. */
async function freezable(target: string | null) {
  const sockets = new Set<Socket>();
  let frozen = target === null;
  const server = createServer((client) => {
    sockets.add(client.on('error', () => undefined));
    if (target === null) return;
    const { hostname, port } = new URL(target);
    const upstream = new Socket();
    sockets.add(upstream.on('error', () => undefined));
    upstream.connect(Number(port), hostname);
    client.on('data', (bytes) => void (frozen || upstream.write(bytes)));
    upstream.on('data', (bytes) => void (frozen || client.write(bytes)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target ?? 'redis://127.0.0.1');
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze() {
      frozen = true;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const failure = async (work: Promise<unknown>) => {
  const { status, code } = toApiError(await work.catch((error: unknown) => error));
  return { status, code };
};

describe.concurrent('a question while', () => {
  test('Redis is frozen', async () => {
    await using proxy = await freezable(null);
    const redis = connect(proxy.url, { name: 'test', logger: quiet, use: 'request' });
    expect(await failure(freshCluster(redis))).toEqual({ status: 503, code: 'redis_unavailable' });
    await disconnect(redis);
  });

  test('Redis is down', async () => {
    const closed = await freezable(null);
    await closed[Symbol.asyncDispose]();
    const redis = connect(closed.url, { name: 'test', logger: quiet, use: 'request' });
    expect(await failure(freshCluster(redis))).toEqual({ status: 503, code: 'redis_unavailable' });
    await disconnect(redis);
  });

  test('PostgreSQL goes silent on an open connection', async () => {
    await using proxy = await freezable(inject('databaseUrl'));
    const db = createDb(proxy.url, { queryTimeoutMs: 500 });
    await db.$queryRaw`SELECT 1`;
    proxy.freeze();
    expect(await failure(db.$queryRaw`SELECT 1`)).toEqual({
      status: 503,
      code: 'database_unavailable',
    });
    expect(await failure(db.request.findUnique({ where: { id: 'x' } }))).toMatchObject({
      status: 503,
    });
    db.$disconnect().catch(() => undefined);
  });

  test('PostgreSQL works on something else for too long', async () => {
    const db = createDb(inject('databaseUrl'), { queryTimeoutMs: 500 });
    expect(await failure(db.$queryRaw`SELECT pg_sleep(5)::text`)).toMatchObject({ status: 503 });
    await db.$disconnect();
  });
});
