/**
 * `npm run chaos -- --minutes N --seed S`: the whole product with several workers under load, while
 * everything in it dies at random; see docs/failure.md. The report goes to stdout as text, and to
 * `--out FILE` as JSON. Exits with 1 unless every answer was the undisturbed one, once.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type ExtraPart, extraParts, slowed } from '../extra-parts.ts';
import { freePort } from '../ports.ts';
import { startProduct } from '../product.ts';
import { readServices, writeServices } from '../secrets.ts';
import { badNetwork } from './bad-network.ts';
import { FAULTS } from './faults.ts';
import { Load, undisturbed } from './load.ts';
import { pick, randomOf } from './random.ts';
import { type FaultRecord, isGood, reportOf, reportText } from './report.ts';

interface Options {
  minutes: number;
  seed: number;
  workers: number;
  clients: number;
  out: string | null;
}

/** Of the engines' time: answers take seconds then, and faults meet them. */
const SHARE = 0.2;
const ANSWER_TOKENS = 150;
/** Between the end of a fault and the next one. */
const PAUSE_MS = [1000, 8000] as const;
/** Longest wait for a token that counts as the recovery from a fault. */
const RECOVERY_MS = 60_000;

const log = (line: string) => process.stderr.write(`· ${line}\n`);

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '3' },
      clients: { type: 'string', default: '4' },
      out: { type: 'string' },
    },
  });
  const number = (name: 'minutes' | 'seed' | 'workers' | 'clients', min: number) => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value < min) throw new Error(`--${name} wants a number`);
    return value;
  };
  return {
    minutes: number('minutes', 0.1),
    seed: number('seed', 0),
    workers: number('workers', 2),
    clients: number('clients', 1),
    out: values.out ?? null,
  };
}

async function run(options: Options, dataDir: string): Promise<boolean> {
  const random = randomOf(options.seed);
  // Redis gets its port now, so that workers can be sent to it by a way that breaks.
  const services = await readServices(dataDir);
  services.redis.port = await freePort();
  await writeServices(dataDir, services);
  await using network = await badNetwork(services.redis.port);
  const nodeRedis = `redis://:${services.redis.password}@127.0.0.1:${network.port}/0`;
  log('starting the product');
  await using product = await startProduct({ dataDir, env: { NODE_REDIS_URL: nodeRedis } });
  const known = await undisturbed(product.url, ANSWER_TOKENS);
  const parts = await extraParts(product, dataDir);
  const db = new pg.Pool({ connectionString: parts.access.databaseUrl, max: 2 });
  db.on('error', () => undefined);
  // The product's own worker is started again by its supervisor, later each time.
  await db.query('UPDATE "Node" SET draining = true');
  const names = Array.from({ length: options.workers }, (_, i) => `chaos-worker-${i + 1}`);
  const workers = names.map((name) => parts.worker(name));
  const coordinators = [parts.coordinator('chaos-coordinator')];
  const frozen = new Set<ExtraPart>();
  const awake = async () =>
    (await Promise.all(workers.filter((w) => !frozen.has(w)).map((w) => w.helpers()))).flat();
  try {
    for (const part of [...workers, ...coordinators]) await part.start();
    log(`${workers.length} workers and ${coordinators.length + 1} coordinators run`);
    await sleep(5000);
    const slow = slowed(awake, () => SHARE);
    const load = new Load(product.url, known, random);
    const clients = Array.from({ length: options.clients }, () => load.client());
    const targets = { product, workers, coordinators, network, frozen, random };
    const began = performance.now();
    const records: Promise<FaultRecord>[] = [];
    while (performance.now() - began < options.minutes * 60_000) {
      await sleep(PAUSE_MS[0] + random() * (PAUSE_MS[1] - PAUSE_MS[0]));
      const kind = pick(Object.keys(FAULTS), random);
      const at = performance.now();
      log(`${((at - began) / 1000).toFixed(0)} s: ${kind}`);
      const recovered = recovery(load, at);
      await FAULTS[kind]!(targets);
      records.push(
        recovered.then((recoveryMs) => ({ kind, at: Math.round((at - began) / 1000), recoveryMs })),
      );
    }
    load.stop();
    await Promise.all(clients);
    slow[Symbol.dispose]();
    const { rows } = await db.query<{ open: number }>(
      `SELECT count(*)::int AS open FROM "Request" WHERE status IN ('queued', 'running')`,
    );
    const facts = { ...options, open: rows[0]?.open ?? 0 };
    const { minutes, seed, workers: count } = options;
    const report = reportOf(
      { minutes, seed, workers: count, open: facts.open },
      load.result,
      await Promise.all(records),
    );
    if (options.out) await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(`${reportText(report)}\n`);
    return isGood(report);
  } finally {
    await sleep(200);
    await Promise.all([...workers, ...coordinators].map((part) => part.kill()));
    await db.end();
  }
}

/** Ms until each answer that is being written now has a token again or has ended. */
async function recovery(load: Load, from: number): Promise<number | null> {
  const met = [...load.open];
  if (met.length === 0) return null;
  for (;;) {
    const waiting = met.filter(
      (answer) => load.open.has(answer) && (answer.times.at(-1) ?? 0) < from,
    );
    const now = performance.now();
    if (waiting.length === 0 || now - from > RECOVERY_MS) return Math.round(now - from);
    await sleep(20);
  }
}

const dataDir = await mkdtemp(path.join(tmpdir(), 'blyan-chaos-'));
await chmod(dataDir, 0o711);
try {
  if (!(await run(readOptions(), dataDir))) process.exitCode = 1;
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
