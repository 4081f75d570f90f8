import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ensureDatabase, type PostgresOptions, startPostgres } from '../src/postgres.ts';
import { isAlive, processesIn, waitForExit } from '../src/processes.ts';
import { type RedisOptions, startRedis } from '../src/redis.ts';
import { findRedis } from '../src/redis-binary.ts';
import { givenRedis } from '../src/services.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-services-'));
  await chmod(dir, 0o711);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const postgresOptions = (home = dir): PostgresOptions => ({
  dir: path.join(home, 'postgres'),
  password: 'not:a/simple@one',
  logFile: path.join(home, 'postgres.log'),
  durable: true,
});
const redisOptions = (): RedisOptions => ({
  dir: path.join(dir, 'redis'),
  // What `npm test` has downloaded already, if it had to.
  toolsDir: path.resolve(import.meta.dirname, '../../../data/tools'),
  password: 'p'.repeat(64),
  logFile: path.join(dir, 'redis.log'),
  durable: true,
});

async function query(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Runs a starter in a process of its own, so that it can be killed without a chance to clean up. */
async function startElsewhere(
  kind: 'postgres' | 'redis',
  options: unknown,
): Promise<{ pid: number; port: number; starter: number }> {
  const starter = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(import.meta.dirname, 'fixtures', 'starter.ts'), kind],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  starter.stdin.end(JSON.stringify(options));
  const line = await new Promise<string>((resolve, reject) => {
    starter.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    starter.once('exit', () => reject(new Error('the starter ended')));
  });
  return { ...JSON.parse(line), starter: starter.pid as number };
}

describe('PostgreSQL', () => {
  /** Files of a server that was started and stopped: to make them takes seconds. */
  let made: string;
  beforeAll(async () => {
    made = await mkdtemp(path.join(tmpdir(), 'blyan-services-'));
    await chmod(made, 0o711);
    await (await startPostgres(postgresOptions(made))).stop();
  });
  afterAll(() => rm(made, { recursive: true, force: true }));
  const copied = () =>
    cp(path.join(made, 'postgres'), path.join(dir, 'postgres'), { recursive: true });

  test('keeps its data and its port from one start to the next', async () => {
    const first = await startPostgres(postgresOptions());
    await ensureDatabase(first.url('postgres'), 'kept');
    await ensureDatabase(first.url('postgres'), 'kept');
    await query(first.url('kept'), 'CREATE TABLE t AS SELECT 42 AS n');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    await using second = await startPostgres({ ...postgresOptions(), preferredPort: first.port });
    expect(second.port).toBe(first.port);
    expect((await query(second.url('kept'), 'SELECT n FROM t')).rows).toEqual([{ n: 42 }]);
  });

  test('wants the password, also from this machine', async () => {
    await copied();
    await using server = await startPostgres(postgresOptions());
    const wrong = new URL(server.url('postgres'));
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('takes over from a server whose starter was killed', async () => {
    await copied();
    const left = await startElsewhere('postgres', postgresOptions());
    await query(
      `postgresql://blyan:${encodeURIComponent(postgresOptions().password)}@127.0.0.1:${left.port}/postgres`,
      'CREATE TABLE t AS SELECT 1 AS n',
    );
    process.kill(left.starter, 'SIGKILL');
    await using server = await startPostgres({ ...postgresOptions(), preferredPort: left.port });
    expect(server.pid).not.toBe(left.pid);
    expect(isAlive(left.pid)).toBe(false);
    expect((await query(server.url('postgres'), 'SELECT n FROM t')).rowCount).toBe(1);
  });

  test('starts again after the server itself was killed', async () => {
    await copied();
    const killed = await startPostgres(postgresOptions());
    await query(killed.url('postgres'), 'CREATE TABLE t AS SELECT 1 AS n');
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited;
    expect(existsSync(path.join(dir, 'postgres', 'postmaster.pid'))).toBe(true);
    await using server = await startPostgres(postgresOptions());
    expect((await query(server.url('postgres'), 'SELECT n FROM t')).rowCount).toBe(1);
  });

  test('a pid file that names a process of somebody else harms nobody', async () => {
    await copied();
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const file = path.join(dir, 'postgres', 'postmaster.pid');
      await writeFile(file, `${stranger.pid}\n${path.join(dir, 'postgres')}\n0\n1\n\n\n\nready\n`);
      await using server = await startPostgres(postgresOptions());
      expect(isAlive(stranger.pid as number)).toBe(true);
      expect(server.pid).not.toBe(stranger.pid);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('an interrupted first start is begun anew', async () => {
    await mkdir(path.join(dir, 'postgres.new'));
    await writeFile(path.join(dir, 'postgres.new', 'PG_VERSION'), '18\n');
    await using server = await startPostgres(postgresOptions());
    expect((await query(server.url('postgres'), 'SELECT 1')).rowCount).toBe(1);
  });

  test('refuses files of another major version', async () => {
    await mkdir(path.join(dir, 'postgres'));
    await writeFile(path.join(dir, 'postgres', 'PG_VERSION'), '14\n');
    await expect(startPostgres(postgresOptions())).rejects.toMatchObject({
      code: 'POSTGRES_VERSION',
    });
  });
});

describe('Redis', () => {
  test('is private, persistent and never evicts', async () => {
    const first = await startRedis(redisOptions());
    const client = new Redis(first.url);
    await client.set('kept', '1');
    expect(await client.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    expect(await client.config('GET', 'maxmemory-policy')).toContain('noeviction');
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
    client.disconnect();
    await first.stop();
    const { mode } = await stat(path.join(dir, 'redis', 'redis.conf'));
    expect(mode & 0o777).toBe(0o600);

    await using second = await startRedis({ ...redisOptions(), preferredPort: first.port });
    expect(second.port).toBe(first.port);
    const again = new Redis(second.url);
    expect(await again.get('kept')).toBe('1');
    again.disconnect();
  });

  test('takes over from a server whose starter was killed', async () => {
    const left = await startElsewhere('redis', redisOptions());
    process.kill(left.starter, 'SIGKILL');
    await using server = await startRedis({ ...redisOptions(), preferredPort: left.port });
    expect(server.pid).not.toBe(left.pid);
    expect(isAlive(left.pid)).toBe(false);
  });

  test.runIf(process.platform === 'linux')('servers end when their starter is killed', async () => {
    const left = await startElsewhere('redis', redisOptions());
    process.kill(left.starter, 'SIGKILL');
    expect(await waitForExit([left.pid], 5_000)).toBe(true);
    expect(await processesIn(path.join(dir, 'redis'), /redis/)).toEqual([]);
  });

  test('one sentence with the command when there is none and none can be fetched', async () => {
    await mkdir(path.join(dir, 'empty'));
    const found = findRedis({
      toolsDir: path.join(dir, 'tools'),
      say: () => undefined,
      searchPath: path.join(dir, 'empty'),
    });
    await expect(found).rejects.toMatchObject({ code: 'REDIS_MISSING' });
    await expect(found).rejects.toThrow('REDIS_URL');
  });

  test('a version that is too old is passed over', async () => {
    const bin = path.join(dir, 'bin');
    await mkdir(bin);
    await writeFile(path.join(bin, 'redis-server'), '#!/bin/sh\necho "Redis server v=6.2.14"\n', {
      mode: 0o755,
    });
    const said: string[] = [];
    const found = findRedis({
      toolsDir: path.join(dir, 'tools'),
      say: (line) => said.push(line),
      searchPath: bin,
    });
    await expect(found).rejects.toMatchObject({ code: 'REDIS_MISSING' });
    expect(said.join()).toContain('older than 7.0');
    expect(await readFile(path.join(bin, 'redis-server'), 'utf8')).toContain('6.2.14');
  });

  test('one of your own that is too old: one sentence with both versions', async () => {
    // As much of a server as is asked: its version, to whatever command.
    const info = 'redis_version:6.2.14\r\nloading:0\r\n';
    const server = createServer((socket) => {
      socket.on('data', (data) => {
        const commands = data.toString().match(/^\*\d+\r$/gm)?.length ?? 1;
        socket.write(`$${info.length}\r\n${info}\r\n`.repeat(commands));
      });
    });
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    try {
      const given = givenRedis(`redis://127.0.0.1:${port}`);
      await expect(given).rejects.toMatchObject({ code: 'REDIS_VERSION' });
      await expect(given).rejects.toThrow(
        `The Redis of REDIS_URL (127.0.0.1:${port}) is version 6.2.14 and 7.0 or later is needed:`,
      );
    } finally {
      server.close();
    }
  });

  test('one of your own that is new enough is taken', async () => {
    await using server = await startRedis(redisOptions());
    expect(await givenRedis(server.url)).toBe(server.url);
  });
});
