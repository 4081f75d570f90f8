/** A worker of somebody else: joins with a key of its own, serves, and is cut off by its end. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDb } from '@blyan/db/client';
import { createNodeKey, revokeNodeKey } from '@blyan/db/node-keys';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Product, startProduct } from '../../src/product.ts';
import { readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const MAIN = path.join(ROOT, 'apps/worker/dist/main.js');
const ADMIN = { kind: 'admin' as const, id: 'admin@example.org' };
const NAME = 'operator-1';

let data: TempDir;
let own: TempDir;
let product: Product;
let db: ReturnType<typeof createDb>;
let worker: ChildProcess | undefined;
beforeAll(async () => {
  [data, own] = [await tempDataDir(), await tempDataDir()];
  product = await startProduct({ dataDir: data.dir });
  const { postgres } = JSON.parse(await readFile(path.join(data.dir, 'services.json'), 'utf8'));
  db = createDb(`postgresql://blyan:${postgres.password}@127.0.0.1:${postgres.port}/blyan`);
});
afterAll(async () => {
  worker?.kill('SIGKILL');
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
    body: JSON.stringify({ prompt, temperature: 1.5, seed: 7, max_tokens: 400 }),
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

test('joins, serves, and is out within a second when its key is revoked; answers move on', async () => {
  const input = { name: 'an operator', scopes: ['serve'], maxNodes: 1 };
  const { secret, key } = await createNodeKey(db, input, ADMIN);
  const keyFile = path.join(own.dir, 'key');
  await writeFile(keyFile, `${secret}\n`, { mode: 0o600 });
  const options = ['--main', product.url, '--key-file', keyFile, '--name', NAME];
  const where = ['--data', own.dir];
  expect(await command('status', '--json', ...where)).toBeNull();
  const doctor = await command('doctor', '--json', ...options, ...where);
  expect(doctor).toMatchObject({ ok: true });

  const undisturbed = await ask();
  expect(undisturbed.tokens).toBeGreaterThan(20);

  worker = spawn(process.execPath, [MAIN, 'run', ...options, ...where], { env });
  let said = '';
  worker.stderr?.on('data', (text) => {
    said += text;
  });
  const exited = once(worker, 'exit');
  for (;;) {
    const report = (await command('status', '--json', ...where)) as {
      node?: { state: string };
    } | null;
    if (report?.node?.state === 'ready') break;
    expect(worker.exitCode, said).toBeNull();
    await sleep(200);
  }
  expect(said).toMatch(/fetching weights[\s\S]*verifying weights[\s\S]*ready: layers/);
  const { mode } = await stat(path.join(own.dir, 'worker', 'node-key.pem'));
  expect(mode & 0o777).toBe(0o600);

  const { pid = 0 } = worker;
  const slow = [product, { pids: async () => ({ worker: pid }) }].map(slowEngine);
  // Two at a time go to two workers.
  let revokedAt = 0;
  const started = [0, 0];
  const unslow = async () => {
    for (const each of slow.splice(0)) (await each)[Symbol.dispose]();
  };
  const revoke = async () => {
    await revokeNodeKey(db, { id: key.id, typed: null }, ADMIN);
    revokedAt = Date.now();
  };
  let revoking: Promise<void> | undefined;
  const outcomes = await Promise.all(
    [0, 1].map((index) =>
      ask((tokens) => {
        started[index] = tokens;
        if (started.every((count) => count >= 5)) revoking ??= revoke();
        if (revokedAt > 0) void unslow();
      }),
    ),
  );
  await revoking;
  await unslow();
  await exited;
  const entry = await db.auditEntry.findFirst({
    where: { subject: `node:${NAME}`, action: 'node.cut' },
  });
  const cutMs = (entry?.at.getTime() ?? 0) - revokedAt;
  console.log(`key revoked: node cut ${cutMs} ms later, worker said: ${said.split('\n').at(-2)}`);
  expect(entry).not.toBeNull();
  expect(cutMs).toBeLessThan(1000);
  expect(said).toContain('The key was revoked');
  expect(outcomes.map(({ text, endings }) => ({ text, endings }))).toEqual(
    [0, 1].map(() => ({ text: undisturbed.text, endings: ['done'] })),
  );
  expect(outcomes.reduce((sum, { retries }) => sum + retries, 0)).toBe(1);
});
