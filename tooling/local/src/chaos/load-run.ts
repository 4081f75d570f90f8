/** Clients ask all the time, while everything dies at random. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type ExtraPart, extraParts, slowed } from '../extra-parts.ts';
import { followChat } from '../following-client.ts';
import { startProduct } from '../product.ts';
import type { BadNetwork } from './bad-network.ts';
import { FAULTS } from './faults.ts';
import { Load, undisturbed } from './load.ts';
import { openRequests } from './open-requests.ts';
import { pick, randomOf } from './random.ts';
import { type FaultRecord, type Report, reportOf } from './report.ts';

export interface LoadOptions {
  minutes: number;
  seed: number;
  workers: number;
  clients: number;
}

export interface RunDeps {
  dataDir: string;
  /** Between the workers and Redis. */
  network: BadNetwork;
  /** Address of Redis by that way. */
  nodeRedisUrl: string;
  log(line: string): void;
}

/** Of the engines' time: answers take seconds then, and faults meet them. */
const SHARE = 0.2;
const ANSWER_TOKENS = 150;
/** Between the end of a fault and the next one. */
const PAUSE_MS = [1000, 8000] as const;
/** Longest wait for a token that counts as the recovery from a fault. */
const RECOVERY_MS = 60_000;

export async function runUnderLoad(
  options: LoadOptions,
  { dataDir, network, nodeRedisUrl, log }: RunDeps,
): Promise<Report> {
  const random = randomOf(options.seed);
  await using product = await startProduct({ dataDir, env: { NODE_REDIS_URL: nodeRedisUrl } });
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
    const load = new Load(
      (question, options) => followChat(product.url, question, options),
      known,
      random,
    );
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
    const { minutes, seed, workers: count } = options;
    // A fault may take what the recovery from the one before needs, so late ones are counted only.
    return reportOf(
      { minutes, seed, workers: count, open: await openRequests(db), lateCounts: false },
      load.result,
      await Promise.all(records),
    );
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
