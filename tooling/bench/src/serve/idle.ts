/**
 * What a thousand open streams cost that nothing comes on: followers of a thousand answers that wait for a
 * worker whose engine stands still. The web process is a fresh one, so that no memory is left over from asking.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createDb } from '@blyan/db/client';
import { connect, disconnect } from '@blyan/queue/connection';
import type { Result } from '../result.ts';
import { childrenOf, cpuSeconds } from './cpu.ts';
import { type Measured, startClients } from './product.ts';

const STREAMS = 1000;
/** They must be able to wait, and come from one address. */
export const IDLE_ENV = {
  BLYAN_MAX_WAITING: String(2 * STREAMS),
  BLYAN_REQUESTS_PER_MINUTE: '0',
  BLYAN_TOKENS_PER_MINUTE: '0',
};
const BARS = { rssMb: 100, connections: 3 };
const ASKED_AT_ONCE = 20;
const WARM_STREAMS = 50;
const SETTLE_MS = 3000;
const WATCH_MS = 20_000;
const RESTART_MS = 30_000;

export async function benchIdle(
  measured: Measured,
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const { product } = measured;
  const { url } = product;
  const [engine] = await childrenOf(measured.pids.worker!);
  process.kill(engine!, 'SIGSTOP');
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const redis = connect(measured.redisUrl, { name: 'bench', logger: silent });
  const ids: string[] = [];
  try {
    log(`asking ${STREAMS} questions that nobody answers`);
    await askAll(url, ids);
    await restartWeb(measured);
    await using clients = await startClients();
    await clients.open(url, ids.slice(0, WARM_STREAMS));
    await clients.close();
    await sleep(SETTLE_MS);
    const web = measured.probe('web');
    const connections = async () =>
      String(await redis.client('LIST'))
        .trim()
        .split('\n').length;
    const before = { ...(await web.memory()), connections: await connections() };
    log(`following ${STREAMS} answers`);
    await clients.open(url, ids);
    await sleep(SETTLE_MS);
    const cpuBefore = await cpuSeconds(measured.pids);
    await web.watchLoop();
    await sleep(WATCH_MS);
    const delay = await web.loopDelay();
    const cpu = await cpuSeconds(measured.pids);
    const after = { ...(await web.memory()), connections: await connections() };
    const { broken } = await clients.close();
    const add = (name: string, value: number, unit: string, bar?: Result['bar']) =>
      emit({ name: `idle-${STREAMS}.${name}`, value, unit, ...(bar && { bar }) });
    add('broken', broken, 'streams', { most: 0 });
    add('web.rss', (after.rss - before.rss) / 1e6, 'MB', { most: BARS.rssMb });
    add('web.heap', (after.heapUsed - before.heapUsed) / 1e6, 'MB');
    add('redis.connections', after.connections - before.connections, 'connections', {
      most: BARS.connections,
    });
    add('redis.connections.all', after.connections, 'connections');
    add('web.loop-delay.p99', delay.p99, 'ms');
    add('web.loop-delay.max', delay.max, 'ms');
    for (const part of ['web', 'coordinator', 'redis', 'postgres'] as const)
      add(`cpu.${part}`, (1e5 * (cpu[part] - cpuBefore[part])) / WATCH_MS, '% of a core');
  } finally {
    await forget(measured.databaseUrl, ids);
    process.kill(engine!, 'SIGCONT');
    await disconnect(redis);
  }
}

/** @param ids gets those of the questions */
async function askAll(url: string, ids: string[]): Promise<void> {
  const some = async () => {
    while (ids.length < STREAMS) {
      const id = `bench-${crypto.randomUUID()}`;
      ids.push(id);
      const response = await fetch(`${url}/chat/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id, prompt: `Question ${ids.length}`, max_tokens: 16 }),
        signal: AbortSignal.timeout(60_000),
      });
      if (!response.ok) throw new Error(`a question: ${response.status} ${await response.text()}`);
      // Whoever leaves a stream of this route does not end its answer.
      await response.body?.cancel();
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, some));
}

/** Else the next start of the product would answer them. */
async function forget(databaseUrl: string, ids: string[]): Promise<void> {
  const db = createDb(databaseUrl);
  try {
    await db.request.deleteMany({ where: { id: { in: ids } } });
  } finally {
    await db.$disconnect();
  }
}

async function restartWeb(measured: Measured): Promise<void> {
  const { product, pids } = measured;
  const before = pids.web;
  await product.kill('web');
  const deadline = Date.now() + RESTART_MS;
  for (;;) {
    const { web } = await product.pids();
    const response = await fetch(`${product.url}/health`).catch(() => null);
    if (web !== before && response?.ok) {
      pids.web = web!;
      return;
    }
    if (Date.now() > deadline) throw new Error('the web app did not come back');
    await sleep(100);
  }
}
