/** `npm start` from an empty data directory to nothing left, and everything that can be killed. */
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitForExit } from '../../src/processes.ts';
import { launch, type Product, startProduct } from '../../src/product.ts';
import {
  chat,
  lastingPort,
  processesOf,
  readEvents,
  type TempDir,
  tempDataDir,
} from './support.ts';

let data: TempDir;
beforeAll(async () => {
  data = await tempDataDir({ empty: true });
});
afterAll(() => data[Symbol.asyncDispose]());

/** Runs in order: each test begins with what the one before left in the data directory. */
describe.sequential('npm start', () => {
  let product: Product;
  let port: number;
  let genesis: string;

  test('from an empty directory to a first answer', async () => {
    port = await lastingPort();
    product = await startProduct({ dataDir: data.dir, port });
    console.log(`first start: ready after ${product.startedInMs} ms`);
    expect(product.output()).toContain('Blyan is ready');
    expect(product.output()).toContain(`${product.url}/explorer`);
    const { status, body } = await chat(product.url, { prompt: 'Hello', max_tokens: 50 });
    expect(status).toBe(200);
    expect(body.response.length).toBeGreaterThan(0);
    expect(body.model).toBe('blyan-guide');
    expect(body.usage.completion_tokens).toBeGreaterThan(0);
    expect(body.provenance.model.block).toMatchObject({ chain: 'A' });
    genesis = await genesisOf(product.url);
    expect(product.output()).toContain(`Genesis   ${genesis}`);
  });

  test('secrets are readable by us only', async () => {
    for (const file of [
      'services.json',
      'keys/api-key',
      'keys/authority.json',
      'redis/redis.conf',
    ]) {
      expect((await stat(path.join(data.dir, file))).mode & 0o777, file).toBe(0o600);
    }
  });

  test('no worker may make room among the weights', async () => {
    expect((await stat(path.join(data.dir, 'blobs', 'protected'))).isFile()).toBe(true);
  });

  test('a second start on the same data gets one clear sentence', async () => {
    const second = launch({ dataDir: data.dir, port: port + 1 });
    expect(await second.exited).toBe(1);
    expect(second.output().trim().split('\n')).toHaveLength(1);
    expect(second.output()).toContain(`already running on ${data.dir}`);
  });

  test('Ctrl-C leaves no process and no lock', async () => {
    expect(await product.stop()).toBe(0);
    expect(product.output()).toContain('Stopped.');
    expect(await processesOf(data.dir)).toEqual([]);
    await expect(stat(path.join(data.dir, 'start.lock'))).rejects.toThrow('ENOENT');
  });

  test('the next start finds everything in place', async () => {
    product = await startProduct({ dataDir: data.dir, port });
    console.log(`second start: ready after ${product.startedInMs} ms`);
    expect(product.output()).toContain('build is current');
    expect(product.output()).toContain('database schema is current');
    expect(product.output()).not.toContain('imported');
    expect(await genesisOf(product.url)).toBe(genesis);
  });

  test('kill -9 of the start process: its parts end, and the next start copes at once', async () => {
    const before = Object.values(await product.pids());
    await product.kill('start');
    product = await startProduct({ dataDir: data.dir, port });
    expect(await waitForExit(before, 15_000)).toBe(true);
    expect(await genesisOf(product.url)).toBe(genesis);
    expect((await chat(product.url, { prompt: 'Hello', max_tokens: 5 })).status).toBe(200);
  });

  test.each(['web', 'coordinator', 'worker', 'redis', 'postgres'] as const)(
    'kill -9 of %s: it is started again and answers come',
    async (part) => {
      const before = (await product.pids())[part];
      await product.kill(part);
      await expect
        .poll(async () => (await product.pids())[part], { timeout: 30_000 })
        .not.toBe(before);
      await expect
        .poll(
          () =>
            chat(product.url, { prompt: 'Hello', max_tokens: 3 }).then(
              ({ status }) => status,
              () => 0,
            ),
          { timeout: 60_000, interval: 500 },
        )
        .toBe(200);
      expect(product.output()).toContain(`${part} ended (killed by SIGKILL)`);
    },
  );

  test('everything can be killed at once and started again', async () => {
    const pids = await product.pids();
    for (const pid of Object.values(pids)) process.kill(pid, 'SIGKILL');
    await waitForExit(Object.values(pids), 10_000);
    product = await startProduct({ dataDir: data.dir, port });
    expect(await genesisOf(product.url)).toBe(genesis);
  });

  test('Ctrl-C while an answer streams: the answer is finished first', async () => {
    const response = await fetch(`${product.url}/chat/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Write a long story.', max_tokens: 150, temperature: 2 }),
      signal: AbortSignal.timeout(30_000),
    });
    let tokens = 0;
    let stopping: Promise<void> | undefined;
    const events = await readEvents(response, ({ event }) => {
      if (event === 'token' && ++tokens === 3) stopping = product.kill('start', 'SIGINT');
    });
    await stopping;
    expect(stopping, 'the answer ended before Ctrl-C came').toBeDefined();
    expect(events.at(-1)!.event).toBe('done');
    expect(JSON.parse(events.at(-1)!.data).finish_reason).toMatch(/^(stop|length)$/);
    expect(await product.exited).toBe(0);
    expect(await processesOf(data.dir)).toEqual([]);
  });

  test('a second Ctrl-C forces', async () => {
    const forced = await startProduct({ dataDir: data.dir, port });
    // Something to wait for.
    const asked = chat(forced.url, { prompt: 'Tell me all about Blyan', max_tokens: 1000 });
    const ended = asked.catch(() => undefined);
    await forced.kill('start', 'SIGINT');
    await sleep(700);
    await forced.kill('start', 'SIGINT');
    await ended;
    expect(await forced.exited).toBe(0);
    expect(await processesOf(data.dir)).toEqual([]);
  });
});

describe('what keeps it from starting', () => {
  test('a port in use: who has it, and what to do', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    try {
      const failed = launch({ dataDir: data.dir, port });
      expect(await failed.exited).toBe(1);
      expect(failed.output()).toContain(`Port ${port} is in use by`);
      expect(failed.output()).toContain(`(process ${process.pid})`);
      expect(failed.output()).toContain('PORT=');
      expect(await processesOf(data.dir)).toEqual([]);
    } finally {
      server.close();
    }
  });

  test('a wrong variable is named, with an example', async () => {
    const failed = launch({ dataDir: data.dir, port: 1, env: { REDIS_URL: 'localhost' } });
    expect(await failed.exited).toBe(1);
    expect(failed.output().trim()).toMatch(/^✗ REDIS_URL must be a Redis URL: .*REDIS_URL=redis:/);
  });

  test('a database that is not there', async () => {
    const failed = launch({
      dataDir: data.dir,
      port: 18_999,
      env: { DATABASE_URL: 'postgresql://a:b@127.0.0.1:9/blyan' },
    });
    expect(await failed.exited).toBe(1);
    expect(failed.output()).toContain('The PostgreSQL of DATABASE_URL (127.0.0.1:9)');
    expect(await processesOf(data.dir)).toEqual([]);
  });
});

async function genesisOf(url: string): Promise<string> {
  const response = await fetch(`${url}/chain/A/block/0`);
  expect(response.status).toBe(200);
  const { hash } = (await response.json()) as { hash: string };
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  return hash;
}
