/**
 * Everything that can die, dies in the middle of answers: each of them must be, token for token, the
 * one that nothing disturbed, with one end and nothing twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ENDLESS } from '../../src/chaos/load.ts';
import { randomOf } from '../../src/chaos/random.ts';
import { type ExtraPart, extraParts, slowed } from '../../src/extra-parts.ts';
import { type Followed, followChat } from '../../src/following-client.ts';
import { type PartName, type Product, startProduct } from '../../src/product.ts';
import { type TempDir, tempDataDir } from './support.ts';

/** What ends an answer is forbidden, so that this one is long enough to be disturbed. */
const QUESTION = {
  prompt: 'Tell me everything that you know about Blyan.',
  temperature: 1.5,
  seed: 7,
  max_tokens: 120,
  logit_bias: ENDLESS,
};
/** Of the engines' time: an answer takes seconds then, not a tenth of one. */
const SHARE = 0.08;

let data: TempDir;
let product: Product;
let parts: Awaited<ReturnType<typeof extraParts>>;
let db: pg.Pool;
let redis: Redis;
let workers: ExtraPart[];
/** Of pipelines: those that take answers. */
let heads: number;
let standby: ExtraPart;
let undisturbed: Followed;
let slow: Disposable;
let share = SHARE;
const frozen = new Set<ExtraPart>();

beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({ dataDir: data.dir });
  parts = await extraParts(product, data.dir);
  db = new pg.Pool({ connectionString: parts.access.databaseUrl, max: 2 });
  db.on('error', () => undefined);
  redis = new Redis(parts.access.redisUrl);
  redis.on('error', () => undefined);
  undisturbed = await ask();
  // The product's own worker is started again by its supervisor, later each time: these by us, at once.
  await db.query('UPDATE "Node" SET draining = true');
  workers = ['worker-a', 'worker-b'].map((name) => parts.worker(name));
  standby = parts.coordinator('coordinator-b');
  await Promise.all([...workers, standby].map((part) => part.start()));
  heads = workers.length;
  await untilServing(heads);
  // Nobody wakes a frozen one.
  const engines = async () => {
    const awake = workers.filter((worker) => !frozen.has(worker));
    return (await Promise.all(awake.map((worker) => worker.helpers()))).flat();
  };
  slow = slowed(engines, () => share);
});
afterAll(async () => {
  slow?.[Symbol.dispose]();
  await sleep(100);
  await Promise.all([...(workers ?? []), standby].map((part) => part?.stop()));
  await db?.end();
  redis?.disconnect();
  await product?.stop();
  await data[Symbol.asyncDispose]();
});
beforeEach(() => untilServing(heads));

const ask = (onTokens?: (soFar: Followed) => void) =>
  followChat(product.url, QUESTION, onTokens && { onTokens });

/** Waits until that many workers may be given answers. */
async function untilServing(count: number): Promise<void> {
  const serving = async () => {
    const text = (await redis.get('blyan:cluster').catch(() => null)) ?? '{"nodes":[]}';
    const { nodes } = JSON.parse(text) as { nodes: { id: string; serving: boolean }[] };
    return nodes.filter(({ id, serving }) => serving && workers.some(({ name }) => name === id))
      .length;
  };
  const until = Date.now() + 60_000;
  while ((await serving()) < count) {
    if (Date.now() > until) throw new Error(`not ${count} workers serve`);
    await sleep(50);
  }
}

function expectUndisturbed(answer: Followed) {
  expect(answer.endings).toEqual(undisturbed.endings);
  expect(answer.inOrder).toBe(true);
  expect(answer.tokens).toBe(undisturbed.tokens);
  expect(answer.text).toBe(undisturbed.text);
}

/** Asks, does something once so many tokens are there, and times how long the next one took. */
async function disturbed(at: number, fault: (soFar: Followed) => Promise<void>) {
  let done: Promise<void> | null = null;
  let began = 0;
  share = SHARE;
  const answer = await ask((soFar) => {
    if (done || soFar.tokens < at) return;
    began = performance.now();
    done = fault(soFar);
    // From now on it is the recovery that is timed, not an engine that was slowed down.
    share = 1;
  });
  expect(done).not.toBeNull();
  await done;
  // The longest wait of a reader from then on: what was on its way still came.
  const times = [began, ...answer.times.filter((time) => time > began)];
  const waits = times.slice(1).map((time, i) => time - times[i]!);
  return { answer, recoveryMs: Math.max(...waits) };
}

/** The worker of an answer's latest attempt. */
async function writerOf(id: string): Promise<ExtraPart> {
  const { rows } = await db.query<{ nodeId: string }>(
    'SELECT "nodeId" FROM "Attempt" WHERE "requestId" = $1 ORDER BY attempt DESC LIMIT 1',
    [id],
  );
  const writer = workers.find(({ name }) => name === rows[0]?.nodeId);
  if (!writer) throw new Error(`nobody here writes ${id}`);
  return writer;
}

/**
 * Kills a worker that takes part in an answer, at a random token, again and again; each is started again.
 * @param victimOf which one, of an answer
 */
async function killed(times: number, seed: number, victimOf: (id: string) => Promise<ExtraPart>) {
  const random = randomOf(seed);
  const recoveries: number[] = [];
  for (let i = 0; i < times; i++) {
    await untilServing(heads);
    const at = 1 + Math.floor(random() * undisturbed.tokens * 0.6);
    const { answer, recoveryMs } = await disturbed(at, async ({ id }) => {
      const victim = await victimOf(id);
      await victim.kill();
      await victim.start();
    });
    expectUndisturbed(answer);
    expect(answer.retries).toBe(1);
    expect(recoveryMs).toBeLessThan(5000);
    recoveries.push(Math.round(recoveryMs));
  }
  console.log(`killed ${times} times: next token after ${recoveries.join(', ')} ms`);
}

test('kill -9 of the worker that writes, at a random token, 6 times', async () => {
  expect(undisturbed.tokens).toBe(QUESTION.max_tokens);
  await killed(6, 42, writerOf);
}, 180_000);

describe('in the middle of an answer', () => {
  test('the worker that writes is frozen, and thaws when another has gone on', async () => {
    const { answer, recoveryMs } = await disturbed(20, async ({ id }) => {
      const writer = await writerOf(id);
      frozen.add(writer);
      await writer.signal('SIGSTOP');
    });
    for (const worker of frozen) await worker.signal('SIGCONT');
    frozen.clear();
    expectUndisturbed(answer);
    console.log(`worker frozen: next token after ${Math.round(recoveryMs)} ms`);
  }, 90_000);

  test('the leading coordinator is killed, and then the next one frozen, which writes nothing more', async () => {
    const killed = await disturbed(20, () => product.kill('coordinator'));
    expectUndisturbed(killed.answer);
    const frozen = await disturbed(20, () => standby.signal('SIGSTOP'));
    await standby.signal('SIGCONT');
    expectUndisturbed(frozen.answer);
    const ms = [killed, frozen].map(({ recoveryMs }) => Math.round(recoveryMs));
    console.log(`coordinator killed, frozen: next token after ${ms.join(', ')} ms`);
  }, 120_000);

  test.each<PartName>(['web', 'redis', 'postgres'])(
    'kill -9 of %s',
    async (part) => {
      const { answer, recoveryMs } = await disturbed(20, () => product.kill(part));
      expectUndisturbed(answer);
      console.log(`${part} killed: next token after ${Math.round(recoveryMs)} ms`);
    },
    90_000,
  );
});
