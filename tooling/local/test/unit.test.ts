import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { command } from '../src/chain-setup.ts';
import { closingLine } from '../src/closing-line.ts';
import { localUrl, readEnv, withDotEnv } from '../src/env.ts';
import { terminalLine } from '../src/part-process.ts';
import { baseEnv, partSpecs, trustedEnv, workerPart } from '../src/parts.ts';
import { checkPort, prepareDataDir } from '../src/preflight.ts';
import { reasonOf } from '../src/ready.ts';
import type { Reporter } from '../src/report.ts';
import { readApiKey, readServices } from '../src/secrets.ts';
import { takeStartLock } from '../src/start-lock.ts';
import { stopInOrder } from '../src/stop.ts';
import { Part, type Running } from '../src/supervise.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-unit-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('environment', () => {
  test('needs nothing', () => {
    expect(readEnv('/x', {})).toMatchObject({ port: 8000, host: '127.0.0.1', dataDir: '/x/data' });
  });

  test.each([
    ['PORT', 'eighty', 'PORT=8000'],
    ['PORT', '70000', 'PORT=8000'],
    ['HOST', 'a b', 'HOST=127.0.0.1'],
    ['DATABASE_URL', 'mysql://x/y', 'DATABASE_URL=postgresql://'],
    ['REDIS_URL', 'localhost:6379', 'REDIS_URL=redis://'],
    ['BLYAN_NETWORK', 'No Spaces', 'BLYAN_NETWORK=blyan-local'],
  ])('a wrong %s (%s) is named, with an example', (name, value, example) => {
    expect(() => readEnv('/x', { [name]: value })).toThrow(name);
    expect(() => readEnv('/x', { [name]: value })).toThrow(example);
  });

  test('does not print secrets', () => {
    expect(() => readEnv('/x', { DATABASE_URL: 'mysql://u:hidden@h/d' })).not.toThrow('hidden');
  });

  test('.env is read, and the real environment wins', async () => {
    await writeFile(path.join(dir, '.env'), 'PORT=9001\nHOST=\n');
    expect(readEnv(dir, withDotEnv(dir, {}))).toMatchObject({ port: 9001, host: '127.0.0.1' });
    expect(readEnv(dir, withDotEnv(dir, { PORT: '9002' })).port).toBe(9002);
  });

  test('a browser here reaches what listens everywhere', () => {
    expect(localUrl({ host: '0.0.0.0', port: 1 })).toBe('http://127.0.0.1:1');
    expect(localUrl({ host: '::1', port: 1 })).toBe('http://[::1]:1');
  });

  test("the worker sees neither the database's address nor the secret of sessions", () => {
    const source = {
      PATH: '/bin',
      DATABASE_URL: 'postgresql://secret@h/d',
      BLYAN_MODEL: 'm',
      BLYAN_WORKER_DISK_MB: '100',
      HF_TOKEN: 'hf_secret',
      BETTER_AUTH_SECRET: 'of the sessions of admins, 32 characters',
      FOO: '1',
    };
    expect(baseEnv(source)).toMatchObject({ PATH: '/bin', BLYAN_MODEL: 'm' });
    expect(Object.keys(baseEnv(source))).not.toContain('DATABASE_URL');
    expect(Object.keys(baseEnv(source))).not.toContain('FOO');
    expect(Object.keys(baseEnv(source))).not.toContain('BETTER_AUTH_SECRET');
    const context = {
      root: path.resolve(import.meta.dirname, '../../..'),
      env: readEnv('/x', source),
      databaseUrl: 'd',
      redisUrl: 'r',
      apiKey: 'k',
      authSecret: 's',
      genesis: 'g',
      logs: dir,
      say: () => undefined,
    };
    expect(workerPart(context).env).toMatchObject({
      BLYAN_BLOB_DIR: context.env.blobDir,
      BLYAN_WORKER_DISK_MB: '0',
    });
    const specs = partSpecs(context);
    expect(specs.map(({ name }) => name)).toEqual(['coordinator', 'web', 'worker']);
  });

  test("a hub's token is for the import alone", () => {
    const env = readEnv('/x', { PATH: '/bin', HF_TOKEN: 't', HF_ENDPOINT: 'http://h' });
    const context = {
      ...{ root: '/x', env, databaseUrl: 'd', redisUrl: 'r', logs: dir },
      signal: new AbortController().signal,
    };
    const seen = (of: NodeJS.ProcessEnv) => Object.keys(of).filter((name) => name.startsWith('HF'));
    expect(seen(baseEnv(env.source))).toEqual([]);
    expect(seen(trustedEnv(context))).toEqual([]);
    expect(seen(command(context, 'init', [], '').env)).toEqual([]);
    expect(seen(command(context, 'model-import', [], '').env)).toEqual(['HF_TOKEN', 'HF_ENDPOINT']);
  });
});

test('parts stop one after the other: those who ask before those who answer, data last', async () => {
  const order: string[] = [];
  let open = 0;
  const part = (name: string) =>
    ({
      name,
      async stop() {
        expect(open++, `${name} is told while another one still drains`).toBe(0);
        await sleep(20);
        open--;
        order.push(name);
      },
    }) as unknown as Part;
  const names = ['postgres', 'redis', 'coordinator', 'web', 'worker'];
  const signals = { forced: () => false, onForce: () => undefined, done: () => undefined };
  await stopInOrder(names.map(part), signals, { line: () => undefined } as unknown as Reporter);
  expect(order).toEqual(['web', 'coordinator', 'worker', 'redis', 'postgres']);
});

test('a port in use says who has it and what to do', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  try {
    const refused = checkPort({ host: '127.0.0.1', port });
    await expect(refused).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await expect(refused).rejects.toThrow(`process ${process.pid}`);
    await expect(refused).rejects.toThrow(`PORT=${port + 1} npm start`);
  } finally {
    server.close();
  }
  await checkPort({ host: '127.0.0.1', port });
  await expect(checkPort({ host: '192.0.2.1', port })).rejects.toMatchObject({
    code: 'ENV_INVALID',
  });
});

describe('room on the disks', () => {
  const dirs = () => ({
    dataDir: path.join(dir, 'data'),
    blobDir: path.join(dir, 'other', 'blobs'),
  });
  const MIB = 1024 ** 2;

  test('a full disk: how much is missing, and which variable names another', async () => {
    const { dataDir } = dirs();
    const refused = prepareDataDir(dirs(), async () => 100.9 * MIB);
    await expect(refused).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(refused).rejects.toThrow(
      `The disk of ${dataDir} has 100 MiB free and 512 MiB are needed: make room, or name a directory on another disk with BLYAN_DATA_DIR.`,
    );
  });

  test('the blobs may be on another disk, which is full', async () => {
    const { blobDir } = dirs();
    const refused = prepareDataDir(dirs(), async (of) => (of === blobDir ? 0 : 600 * MIB));
    await expect(refused).rejects.toThrow(
      `The disk of ${blobDir} has 0 MiB free and 512 MiB are needed: make room, or name a directory on another disk with BLYAN_BLOB_DIR.`,
    );
  });

  test('a place that is no directory is named with its variable', async () => {
    const file = path.join(dir, 'file');
    await writeFile(file, '');
    const refused = prepareDataDir({ dataDir: dir, blobDir: path.join(file, 'blobs') });
    await expect(refused).rejects.toThrow(/blob directory .*\(ENOTDIR\).*BLYAN_BLOB_DIR/);
    await prepareDataDir(dirs());
  });
});

describe('start lock', () => {
  test('the second start gets one clear sentence', async () => {
    const lock = await takeStartLock(dir, 'http://127.0.0.1:1');
    await expect(takeStartLock(dir, 'http://127.0.0.1:2')).rejects.toThrow(
      `already running on ${dir} (process ${process.pid}, http://127.0.0.1:1)`,
    );
    await lock[Symbol.asyncDispose]();
    await (await takeStartLock(dir, 'x'))[Symbol.asyncDispose]();
  });

  test('the lock of a killed start is taken over, also when its number is in use again', async () => {
    const file = path.join(dir, 'start.lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, start: 'long ago', url: 'x' }));
    await (await takeStartLock(dir, 'x'))[Symbol.asyncDispose]();
    await writeFile(file, '');
    await (await takeStartLock(dir, 'x'))[Symbol.asyncDispose]();
  });

  test.each([
    ['no lock', null],
    ['a lock of a killed start', { pid: 1, start: 'long ago', url: 'x' }],
  ])('of many starts at once one has it: %s', async (_, left) => {
    for (let round = 0; round < 20; round++) {
      if (left) await writeFile(path.join(dir, 'start.lock'), JSON.stringify({ ...left, round }));
      const starts = Array.from({ length: 12 }, (_, i) => takeStartLock(dir, `${round}/${i}`));
      const taken = (await Promise.allSettled(starts)).filter((r) => r.status === 'fulfilled');
      expect(taken.length, `round ${round}`).toBe(1);
      for (const { value } of taken) await value[Symbol.asyncDispose]();
      expect(await readdir(dir)).toEqual([]);
    }
  });

  test('a start that was killed while it took a lock over is no hindrance', async () => {
    const file = path.join(dir, 'start.lock');
    const dead = JSON.stringify({ pid: 1, start: 'long ago', url: 'x' });
    await writeFile(file, dead);
    const name = createHash('sha256').update(dead).digest('hex').slice(0, 16);
    await writeFile(`${file}.${name}`, JSON.stringify({ pid: 1, start: 'before', url: 'y' }));
    await (await takeStartLock(dir, 'x'))[Symbol.asyncDispose]();
    expect(await readdir(dir)).toEqual([]);
  });
});

test('secrets are made once, for our eyes only', async () => {
  const key = await readApiKey(dir);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(await readApiKey(dir)).toBe(key);
  const services = await readServices(dir);
  expect(await readServices(dir)).toEqual(services);
  for (const file of ['keys/api-key', 'services.json']) {
    expect((await stat(path.join(dir, file))).mode & 0o777).toBe(0o600);
  }
  await writeFile(path.join(dir, 'services.json'), '{');
  await expect(readServices(dir)).rejects.toMatchObject({ code: 'DATA_DIR' });
});

describe('supervision', () => {
  const fake = (pid: number) => {
    let end: (how: { code: number | null; signal: NodeJS.Signals | null }) => void = () =>
      undefined;
    const exited = new Promise<Awaited<Running['exited']>>((resolve) => {
      end = resolve;
    });
    const running: Running = {
      pid,
      exited,
      stop: async () => end({ code: 0, signal: null }),
    };
    return { running, crash: () => end({ code: 1, signal: null }) };
  };

  test('a part that crashes is started again, and it is said', async () => {
    const runs = [fake(1), fake(2)];
    const said: string[] = [];
    const pids: number[] = [];
    const part = new Part(
      { name: 'x', start: async () => (runs[pids.length] as (typeof runs)[0]).running },
      {
        say: (line) => said.push(line),
        onStart: async (_, pid) => void pids.push(pid),
      },
    );
    await part.start();
    runs[0]?.crash();
    await expect.poll(() => part.pid, { timeout: 5_000 }).toBe(2);
    expect(said.join('\n')).toContain('x ended (exit code 1): starting it again in 0.2 s');
    expect(said.join('\n')).toContain('x is running again (process 2)');
    await part.stop(() => false);
    expect(part.pid).toBeNull();
    expect(pids).toEqual([1, 2]);
  });

  test('stopping while it waits to start again starts nothing', async () => {
    const run = fake(1);
    let starts = 0;
    const part = new Part(
      {
        name: 'x',
        start: async () => {
          starts++;
          return run.running;
        },
      },
      { say: () => undefined, onStart: async () => undefined },
    );
    await part.start();
    run.crash();
    await expect.poll(() => part.failures).toBe(1);
    await part.stop(() => false);
    expect(starts).toBe(1);
  });
});

test('only warnings of the parts reach the terminal', () => {
  expect(terminalLine('{"level":30,"msg":"fine"}')).toBeNull();
  expect(terminalLine('{"level":50,"msg":"bad","err":{"message":"why"}}')).toBe('bad: why');
  expect(terminalLine('not json')).toBeNull();
});

test('the reason of /ready is found in either shape', () => {
  expect(reasonOf({ error: { message: 'no worker', code: 'x' } })).toBe('no worker');
  expect(reasonOf({ ready: false, reason: 'loading' })).toBe('loading');
  expect(reasonOf(null)).toBeNull();
});

test('the closing line counts', () => {
  expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
  expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
});
