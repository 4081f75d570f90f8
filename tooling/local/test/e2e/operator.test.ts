/**
 * A worker of somebody else, started as an operator does: joins with a key of its own, serves, ends when it is
 * told to, and is cut off by the end of its key.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDb } from '@blyan/db/client';
import { createNodeKey, revokeNodeKey } from '@blyan/db/node-keys';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ENDLESS } from '../../src/chaos/load.ts';
import { type Access, accessOf } from '../../src/extra-parts.ts';
import { childrenOf, signal } from '../../src/processes.ts';
import { type Product, startProduct } from '../../src/product.ts';
import { readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const MAIN = path.join(ROOT, 'apps/worker/dist/main.js');
const ADMIN = { kind: 'admin' as const, id: 'admin@example.org' };
const NAME = 'operator-1';

let data: TempDir;
let own: TempDir;
let product: Product;
let access: Access;
let db: ReturnType<typeof createDb>;
let key: Awaited<ReturnType<typeof createNodeKey>>['key'];
let options: string[];
let where: string[];
let undisturbed: Outcome;
/** Of workers that run: none outlives this file. */
const running = new Set<number>();

beforeAll(async () => {
  [data, own] = [await tempDataDir(), await tempDataDir()];
  product = await startProduct({ dataDir: data.dir });
  access = await accessOf(data.dir);
  db = createDb(access.databaseUrl);
  const made = await createNodeKey(
    db,
    { name: 'an operator', scopes: ['serve'], maxNodes: 1 },
    ADMIN,
  );
  key = made.key;
  const keyFile = path.join(own.dir, 'key');
  await writeFile(keyFile, `${made.secret}\n`, { mode: 0o600 });
  options = ['--main', product.url, '--key-file', keyFile, '--name', NAME];
  where = ['--data', own.dir];
  undisturbed = await ask();
});
afterAll(async () => {
  for (const pid of running) signal(pid, 'SIGKILL');
  await db?.$disconnect();
  await product?.stop();
  await data[Symbol.asyncDispose]();
  await own[Symbol.asyncDispose]();
});

const env = { PATH: process.env.PATH };

/** The command's JSON, whatever its exit code. */
function command(...args: string[]): Promise<Record<string, unknown> | null> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        reject(new Error(`${error?.message}\n${stderr}`));
      }
    });
  });
}

interface Outcome {
  text: string;
  tokens: number;
  retries: number;
  endings: string[];
}

async function ask(onToken: (tokens: number) => void = () => undefined): Promise<Outcome> {
  const prompt = 'Tell me everything that you know about Blyan.';
  const response = await fetch(`${product.url}/chat/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ prompt, temperature: 1.5, seed: 7, max_tokens: 400 },
      logit_bias: ENDLESS,
    }),
    signal: AbortSignal.timeout(120_000),
  });
  const outcome: Outcome = { text: '', tokens: 0, retries: 0, endings: [] };
  await readEvents(response, ({ event, data: raw }) => {
    const told = JSON.parse(raw);
    if (event === 'phase' && told.phase === 'retry') outcome.retries++;
    if (event === 'error') outcome.endings.push(told.error.code);
    if (event === 'done') outcome.endings.push('done');
    if (event !== 'token') return;
    outcome.tokens += told.count;
    outcome.text += told.text;
    onToken(outcome.tokens);
  });
  return outcome;
}

/** `npm run worker -- ...`, when it serves. */
async function startWorker() {
  const child = spawn(
    process.execPath,
    ['tooling/local/bootstrap.mjs', 'worker', 'run', ...options, ...where],
    {
      cwd: ROOT,
      // The build is that of the product; its log goes where this worker's things are.
      env: { ...env, HOME: process.env.HOME, BLYAN_DATA_DIR: own.dir },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  running.add(child.pid as number);
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  void exited.then(() => running.clear());
  const redis = new Redis(access.redisUrl);
  const serves = async () => {
    const { nodes } = JSON.parse((await redis.get('blyan:cluster')) ?? '{"nodes":[]}') as {
      nodes: { id: string; serving: boolean }[];
    };
    return nodes.some(({ id, serving }) => id === NAME && serving);
  };
  for (;;) {
    const report = (await command('status', '--json', ...where)) as {
      node?: { state: string };
    } | null;
    if (report?.node?.state === 'ready' && (await serves())) break;
    expect(child.exitCode, said).toBeNull();
    await sleep(200);
  }
  redis.disconnect();
  const [worker = 0] = await childrenOf(child.pid as number);
  running.add(worker);
  return { said: () => said, exited, worker, stop: () => child.kill('SIGTERM') };
}
type Started = Awaited<ReturnType<typeof startWorker>>;

/** Two slow answers, which go to two workers; when both have begun something happens to the one. */
async function askBoth({ worker }: Started, happens: () => Promise<unknown>) {
  const slow = await Promise.all(
    [product, { pids: async () => ({ worker }) }].map((each) => slowEngine(each)),
  );
  const started = [0, 0];
  let happening: Promise<unknown> | undefined;
  const outcomes = await Promise.all(
    [0, 1].map((index) =>
      ask((tokens) => {
        started[index] = tokens;
        if (started.every((count) => count >= 5))
          happening ??= happens().finally(() => {
            for (const each of slow) each[Symbol.dispose]();
          });
      }),
    ),
  );
  await happening;
  expect(outcomes.map(({ text, endings }) => ({ text, endings }))).toEqual(
    [0, 1].map(() => ({ text: undisturbed.text, endings: ['done'] })),
  );
  return outcomes.reduce((sum, { retries }) => sum + retries, 0);
}

test('joins, and serves; told to stop it finishes what it answers', async () => {
  expect(await command('status', '--json', ...where)).toBeNull();
  const doctor = await command('doctor', '--json', ...options, ...where);
  expect(doctor).toMatchObject({ ok: true });
  const worker = await startWorker();
  expect(worker.said()).toMatch(
    /joined: waiting[\s\S]*reading the chains[\s\S]*fetching weights[\s\S]*verifying weights[\s\S]*building the model[\s\S]*ready: layers/,
  );
  const { mode } = await stat(path.join(own.dir, 'worker', 'node-key.pem'));
  expect(mode & 0o777).toBe(0o600);

  const retries = await askBoth(worker, async () => {
    worker.stop();
    await expect.poll(worker.said, { timeout: 10_000 }).toContain('draining');
  });
  expect(retries).toBe(0);
  expect(await worker.exited).toEqual([0, null]);
  const attempts = await db.attempt.findMany({ where: { nodeId: NAME } });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['completed']);
});

test('told twice it ends at once, and its answer moves on', async () => {
  const worker = await startWorker();
  let exitMs = 0;
  const retries = await askBoth(worker, async () => {
    worker.stop();
    await expect.poll(worker.said, { timeout: 10_000 }).toContain('draining');
    const began = performance.now();
    worker.stop();
    await worker.exited;
    exitMs = performance.now() - began;
  });
  console.log(`told twice: ended after ${Math.round(exitMs)} ms`);
  expect(exitMs).toBeLessThan(10_000);
  expect(retries).toBe(1);
});

test('is out within a second when its key is revoked; answers move on', async () => {
  const worker = await startWorker();
  let revokedAt = 0;
  const retries = await askBoth(worker, async () => {
    await revokeNodeKey(db, { id: key.id, typed: null }, ADMIN);
    revokedAt = Date.now();
  });
  await worker.exited;
  const entry = await db.auditEntry.findFirst({
    where: { subject: `node:${NAME}`, action: 'node.cut' },
  });
  const cutMs = (entry?.at.getTime() ?? 0) - revokedAt;
  const said = worker.said();
  console.log(`key revoked: node cut ${cutMs} ms later, worker said: ${said.split('\n').at(-2)}`);
  expect(entry).not.toBeNull();
  expect(cutMs).toBeLessThan(1000);
  expect(said).toContain('The key was revoked');
  expect(retries).toBe(1);
});
