/** What an operator sees: progress, doctor, status and metrics, and the bound on the disk. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromHex } from '@blyan/chain/hex';
import type { VerifiedBlock } from '@blyan/chain/verify';
import type { NodeStatus } from '@blyan/protocol/node';
import { FINAL_REFUSALS } from '@blyan/protocol/register';
import { connect, disconnect } from '@blyan/queue/connection';
import { createNodeUser, deleteNodeUser } from '@blyan/queue/node-acl';
import { BlobStore } from '@blyan/store/blob-store';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { diagnose } from '../src/cli/doctor.ts';
import { workerProgram } from '../src/cli/program.ts';
import { ProgressLines } from '../src/cli/progress.ts';
import { checkCpu, checkDisk, checkGpu, checkMemory, checkNode } from '../src/doctor/machine.ts';
import { checkClock, fixOf } from '../src/doctor/network.ts';
import { makeRoom } from '../src/engine/disk-cap.ts';
import { WorkerError } from '../src/errors.ts';
import { serveMetrics } from '../src/metrics.ts';
import { readReport, serveReports, type WorkerReport } from '../src/report.ts';
import { Watch } from '../src/watch.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-cli-'));
});
afterAll(() => rm(dir, { recursive: true }));

const status = (change: Partial<NodeStatus>): NodeStatus => ({
  type: 'status',
  boot: '1',
  version: '0.1.0',
  state: 'loading',
  slots: 4,
  ...change,
});
const MIB = 2 ** 20;

test('progress: each step once, a rate where bytes move, and that a fetch goes on', () => {
  const lines: string[] = [];
  const progress = new ProgressLines((line) => lines.push(line));
  const at = (ms: number, phase: 'fetch' | 'verify', done: number) =>
    progress.see(
      status({ progress: { phase, done: done * MIB, total: 100 * MIB, unit: 'bytes' } }),
      ms,
    );
  progress.see(status({}), 0);
  at(0, 'fetch', 40);
  at(500, 'fetch', 45);
  at(2000, 'fetch', 60);
  at(4000, 'fetch', 100);
  at(4100, 'fetch', 100);
  at(4200, 'verify', 0);
  const numerics = { provider: 'cpu', runtime: 'x', weights: [], matmul: 'f32', kv: 'f32' };
  const ready = status({ state: 'ready', layers: [0, 3], numerics });
  progress.see(ready, 5000);
  progress.see(ready, 6000);
  progress.see(status({ state: 'failed', failure: { code: 'X', message: 'why' } }), 7000);
  expect(lines).toEqual([
    'fetching weights, going on with what is here',
    '   40%  40.0 of 100.0 MiB',
    '   60%  60.0 of 100.0 MiB, 10.0 MiB/s, 4 s left',
    '  100%  100.0 of 100.0 MiB, 15.0 MiB/s',
    'verifying weights',
    '    0%  0.0 of 100.0 MiB',
    'ready: layers 0 to 3, 4 answers at a time, on cpu',
    'cannot serve (X): why',
  ]);
});

test('options stand for variables, and win over them', async () => {
  const seen: [string, NodeJS.ProcessEnv, unknown][] = [];
  const actions = {
    run: async (env: NodeJS.ProcessEnv) => void seen.push(['run', env, null]),
    doctor: async (env: NodeJS.ProcessEnv, { json }: { json: boolean }) =>
      void seen.push(['doctor', env, json]),
    status: async (env: NodeJS.ProcessEnv, { json }: { json: boolean }) =>
      void seen.push(['status', env, json]),
  };
  const env = { BLYAN_MAIN_URL: 'http://old', BLYAN_API_KEY: 'kept' };
  const call = (...args: string[]) =>
    workerProgram(actions, env).parseAsync(args, { from: 'user' });
  await call('--main', 'https://new');
  await call('run', '--main', 'https://new', '--metrics-port', '9464', '--name', 'w-1');
  await call('doctor', '--json', '--genesis', 'ab');
  await call('status');
  expect(seen).toEqual([
    ['run', { ...env, BLYAN_MAIN_URL: 'https://new' }, null],
    [
      'run',
      {
        ...env,
        BLYAN_MAIN_URL: 'https://new',
        BLYAN_WORKER_METRICS_PORT: '9464',
        BLYAN_NODE_ID: 'w-1',
      },
      null,
    ],
    ['doctor', { ...env, BLYAN_GENESIS: 'ab' }, true],
    ['status', env, false],
  ]);
});

describe('doctor', () => {
  const of = async (env: NodeJS.ProcessEnv) => {
    const found = [];
    for await (const finding of diagnose(env)) found.push(finding);
    return found;
  };

  test('each wrong thing has its fix', async () => {
    expect(checkNode('18.0.0')).toMatchObject({
      state: 'fail',
      fix: expect.stringMatching(/nvm install/),
    });
    expect(checkMemory(2 ** 20)).toMatchObject({ state: 'warn' });
    expect(checkCpu('flags : sse2 avx\n')).toMatchObject({
      state: 'warn',
      fix: expect.stringMatching(/host/),
    });
    expect(checkCpu('flags : avx2 fma\n').detail).toContain('avx2');
    const file = path.join(dir, 'a-file');
    await writeFile(file, '');
    expect(await checkDisk(path.join(file, 'below'), 0)).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining(`mkdir -p ${file}`),
    });
    expect(await checkDisk(dir, 2 ** 30)).toMatchObject({ state: 'ok' });
    expect(await checkDisk(dir, 2 ** 30, Number.POSITIVE_INFINITY)).toMatchObject({
      state: 'warn',
      detail: expect.stringMatching(/GiB free at .*, of which blobs may take 1\.0 GiB$/),
      fix: expect.stringContaining('BLYAN_BLOB_DIR'),
    });
  });

  test('a graphics card: none, one that works, a driver that does not', async () => {
    const [bin, version] = [path.join(dir, 'bin'), path.join(dir, 'driver-version')];
    await mkdir(bin);
    vi.stubEnv('PATH', bin);
    const broken = { state: 'warn', fix: expect.stringContaining('NVIDIA Container Toolkit') };
    const smi = (script: string) =>
      writeFile(path.join(bin, 'nvidia-smi'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    try {
      expect(await checkGpu(version)).toMatchObject({
        state: 'ok',
        detail: expect.stringContaining('runs on the CPU'),
      });
      // The driver is loaded, and its tools are missing.
      await writeFile(version, 'NVRM version: NVIDIA UNIX 570.1\n');
      expect(await checkGpu(version)).toMatchObject(broken);
      await rm(version);
      await smi('echo "NVIDIA H200, 570.1, 143771 MiB"; echo "NVIDIA H200, 570.1, 143771 MiB"');
      expect(await checkGpu(version)).toEqual({
        name: 'gpu',
        state: 'ok',
        detail: 'NVIDIA H200, 570.1, 143771 MiB; NVIDIA H200, 570.1, 143771 MiB',
      });
      await smi('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18');
      expect(await checkGpu(version)).toMatchObject(broken);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('each final refusal, and another network, has a fix of its own', () => {
    const main = { mainUrl: 'https://blyan.example.org' };
    const refused = (refusal: string) => new WorkerError('REFUSED', 'no', { refusal });
    const errors = [...FINAL_REFUSALS, 'key_nodes_exhausted'].map(refused);
    errors.push(new WorkerError('GENESIS_MISMATCH', 'no'), refused('what no one knows'));
    const fixes = errors.map((error) => fixOf(error, main));
    expect(new Set(fixes).size).toBe(errors.length);
    expect(fixes.filter((fix) => fix.includes('curl'))).toEqual([fixes.at(-1)]);
    expect(fixOf(refused('toString'), main)).toBe(fixes.at(-1));
  });

  test('settings that are missing are named', async () => {
    const found = await of({ BLYAN_DATA_DIR: dir });
    expect(found.at(-1)).toMatchObject({
      name: 'settings',
      state: 'fail',
      detail: expect.stringMatching(/BLYAN_MAIN_URL is not set.*\n.*BLYAN_API_KEY is not set/),
    });
    const forbidden = await of({ BLYAN_DATA_DIR: dir, DATABASE_URL: 'x' });
    expect(forbidden.at(-1)?.detail).toContain('env -u DATABASE_URL');
  });

  test('a main node that is not there', async () => {
    const env = {
      BLYAN_DATA_DIR: dir,
      BLYAN_MAIN_URL: 'http://127.0.0.1:9',
      BLYAN_API_KEY: 'a-key-of-some-length',
    };
    const found = await of(env);
    expect(found.at(-1)).toMatchObject({
      name: 'main',
      state: 'fail',
      fix: expect.stringContaining('curl -v http://127.0.0.1:9/health'),
    });
  });

  test('all the way to Redis, and a key that is refused', async () => {
    const NODE = `doctor-${process.pid}`;
    const log = { info() {}, warn() {}, error() {} };
    const url = new URL(inject('redisUrl'));
    const admin = connect(url.href, { name: 'test', logger: log });
    const { username, password } = await createNodeUser(admin, NODE);
    url.username = encodeURIComponent(username);
    url.password = password;
    const lease = { token: 't'.repeat(32), ttlMs: 60_000, renewMs: 15_000 };
    const replies: Record<string, object> = {
      '/health': {},
      '/gpu/challenge': { challenge: 'c'.repeat(40) },
      '/gpu/register': {
        nodeId: NODE,
        genesis: 'ab'.repeat(32),
        lease,
        redisUrl: url.href,
        heartbeatMs: 1000,
      },
      '/gpu/heartbeat': { lease, now: Date.now(), wish: 'serve' },
      '/gpu/status': {
        key: { name: 'mine', prefix: 'blyan_abc', scopes: ['serve'], maxNodes: 2, expiresAt: null },
        nodes: [],
      },
    };
    let revoked = false;
    const server = createServer((request, response) => {
      const refuse = revoked && request.url === '/gpu/status';
      response.statusCode = refuse ? 403 : 200;
      const error = { code: 'key_revoked', message: 'The key was revoked.' };
      response.end(JSON.stringify(refuse ? { error } : replies[request.url ?? '']));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const mainUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const env = {
      BLYAN_DATA_DIR: dir,
      BLYAN_MAIN_URL: mainUrl,
      BLYAN_API_KEY: 'a-key-of-some-length',
      BLYAN_NODE_ID: NODE,
    };
    try {
      const found = await of(env);
      const network = found.slice(found.findIndex(({ name }) => name === 'main'));
      expect(network.map(({ name, state }) => `${name} ${state}`)).toEqual([
        'main ok',
        'clock ok',
        'key ok',
        'join ok',
        'redis ok',
      ]);
      await deleteNodeUser(admin, NODE);
      const cut = (await of(env)).at(-1);
      expect(cut).toMatchObject({
        name: 'redis',
        state: 'fail',
        detail: expect.stringMatching(/WRONGPASS/),
      });
      revoked = true;
      expect((await of(env)).at(-1)).toMatchObject({
        name: 'key',
        state: 'fail',
        fix: expect.stringContaining('/admin/keys'),
      });
    } finally {
      server.close();
      await disconnect(admin);
    }
  });

  test('a clock that is wrong', async () => {
    const server = createServer((_request, response) => {
      response.setHeader('date', new Date(Date.now() - 60_000).toUTCString());
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const mainUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const found = await checkClock({ mainUrl, apiKey: '' });
    server.close();
    expect(found).toMatchObject({
      state: 'fail',
      detail: expect.stringMatching(/ahead of/),
      fix: expect.stringMatching(/timedatectl/),
    });
  });
});

test('status and metrics tell what the worker counted', async () => {
  const watch = new Watch();
  const ofAttempt = { requestId: 'r'.repeat(20), attempt: 1 };
  watch.see({ type: 'tokens', ...ofAttempt, position: 0, tokens: [1, 2, 3] });
  watch.see({ type: 'done', ...ofAttempt, count: 3, prefillMs: 1, decodeMs: 1 });
  watch.see(status({ state: 'ready', layers: [0, 3] }));
  const report = async (): Promise<WorkerReport> => ({
    nodeId: 'node-a',
    pid: process.pid,
    version: '0.1.0',
    main: 'http://127.0.0.1:8000',
    genesis: 'ab'.repeat(32),
    startedAt: watch.startedAt,
    renewedAt: Date.now(),
    clockAheadMs: 12,
    connected: true,
    running: 1,
    tokens: watch.tokens,
    done: watch.done,
    failed: watch.failed,
    blobBytes: 5,
    blobCapBytes: null,
    node: watch.status,
  });
  expect(await readReport(dir)).toBeNull();
  await using served = await serveReports(dir, report);
  expect(served).not.toBeNull();
  expect(await readReport(dir)).toMatchObject({ nodeId: 'node-a', tokens: 3, done: 1 });
  await using metrics = await serveMetrics(0, report);
  const scrape = async () => (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
  await scrape();
  watch.see({ type: 'tokens', ...ofAttempt, position: 3, tokens: [4] });
  const text = await scrape();
  expect(text).toContain('blyan_worker_tokens_total 4\n');
  expect(text).toContain('blyan_worker_state{state="ready"} 1\n');
  expect(text).toContain('blyan_worker_state{state="loading"} 0\n');
  expect(text).toContain('blyan_worker_attempts_total{outcome="done"} 1\n');
  expect(text).toContain('process_resident_memory_bytes');
});

describe('the bound on the disk', () => {
  const rootOf = async (store: BlobStore, fill: number) => (await store.put(bytes(fill))).root;
  const bytes = (fill: number) => new Uint8Array(1000).fill(fill);
  const block = (...tensors: { root: Uint8Array; byteLength: number }[]) =>
    ({ body: { tensors } }) as unknown as VerifiedBlock<'layer'>;
  const missing = (name: string) => ({
    root: fromHex(createHash('sha256').update(name).digest('hex')),
    byteLength: 1000,
  });

  test('what is not needed goes, as far as it must; what is needed stays', async () => {
    const store = await BlobStore.open(path.join(dir, 'cap'));
    const [kept, first, second] = [
      await rootOf(store, 1),
      await rootOf(store, 2),
      await rootOf(store, 3),
    ];
    const blocks = [block({ root: kept, byteLength: 1000 }, missing('a'))];
    expect(await makeRoom(blocks, store, 0)).toBe(0);
    expect(await makeRoom(blocks, store, 10_000)).toBe(0);
    // Each takes 1000 bytes and 32 of its leaf.
    expect(await makeRoom(blocks, store, 3100)).toBe(1032);
    expect(await store.has(kept)).toBe(true);
    expect([await store.has(first), await store.has(second)].filter(Boolean)).toHaveLength(1);
    const much = [
      block({ root: kept, byteLength: 1000 }, missing('a'), missing('b'), missing('c')),
    ];
    await expect(makeRoom(much, store, 3100)).rejects.toMatchObject({ code: 'DISK_CAP' });
    expect([await store.has(first), await store.has(second)].filter(Boolean)).toHaveLength(1);
  });

  test("in a main node's own store nothing goes", async () => {
    const store = await BlobStore.open(path.join(dir, 'cap-of-main'));
    const [needed, other] = [await rootOf(store, 1), await rootOf(store, 2)];
    await store.protect();
    expect(await makeRoom([block({ root: needed, byteLength: 1000 })], store, 1100)).toBe(0);
    expect(await store.has(other)).toBe(true);
  });
});
