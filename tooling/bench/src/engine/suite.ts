/**
 * Our engine against llama.cpp on the same weights (random, shape of Qwen3-0.6B; q4 and Q4_0 hold the
 * same numbers), with the same threads, on the same prompts. Each engine is loaded in a process of its
 * own, and they take turns. Llama.cpp runs with flash attention on and off; the faster one counts.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@blyan/local/product';
import { median, type Result } from '../result.ts';
import {
  buildOurs,
  type Driver,
  promptOf,
  sessionSeconds,
  startLlama,
  startOurs,
} from './driver.ts';
import { compare, OURS, type Rates, type Row, resultsOf, table } from './figures.ts';
import { installPeer } from './peer.ts';
import { prepare } from './prepare.ts';
import { benchProfile } from './profile.ts';

/** The last only when it is asked for: it compares nothing. */
export const PARTS = ['load', 'memory', 'prefill', 'decode', 'batch', 'profile'] as const;
type Part = (typeof PARTS)[number];

export interface EngineOptions {
  /** Kept between runs: weights in both forms, and node-llama-cpp. */
  work?: string | undefined;
  only?: readonly Part[] | undefined;
  rounds?: number | undefined;
  threads?: number | undefined;
}

const PASTS = [128, 1000];
/** Sequences that a worker serves in one step unless it is told otherwise (BLYAN_WORKER_SLOTS); all at once in a batch. */
const SLOTS = 8;
const ROUNDS = 5;
const LOADS = 3;
const STEPS = 24;
/** Steps behind a prefill that are not counted: caches and threads settle. */
const WARM_STEPS = 2;
const MB = 1e6;
/** What docs/engine.md holds these figures against. */
const BARS = {
  /** Loading by creating the runtime's sessions over weights in memory. */
  load: 1.3,
  /** Peak by weights and KV cache. */
  memory: 1.6,
  /** Tokens a second of all sequences of a batch by those of one. */
  scaling: 3,
};

type Engines = Map<string, Driver>;
type Emit = (result: Result) => void;

export async function benchEngine(
  options: EngineOptions,
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  const { rounds = ROUNDS, threads = availableParallelism() } = options;
  const wanted = new Set(options.only ?? PARTS.filter((part) => part !== 'profile'));
  const work = options.work ?? join(ROOT, 'data/bench');
  log(`weights and llama.cpp are kept in ${work}`);
  const { networkDir, gguf } = await prepare(work, log);
  if (wanted.delete('profile')) await benchProfile(networkDir, threads, emit);
  if (wanted.size > 0) await buildOurs();
  if (wanted.delete('load')) await benchLoad(networkDir, threads, emit);
  if (wanted.size === 0) return;
  const peerDir = await installPeer(work, log);

  const withEngines = async (bench: (engines: Engines) => Promise<void>) => {
    const engines: Engines = new Map();
    try {
      engines.set(OURS, await startOurs(networkDir, threads, SLOTS));
      engines.set('flash attention off', await startLlama(peerDir, gguf, threads, false));
      engines.set('flash attention on', await startLlama(peerDir, gguf, threads, true));
      await bench(engines);
    } finally {
      for (const driver of engines.values()) await driver[Symbol.asyncDispose]();
    }
  };
  if (wanted.delete('memory')) await withEngines((engines) => benchMemory(engines, emit));
  if (wanted.size === 0) return;
  await withEngines((engines) => benchSpeed(engines, rounds, wanted, emit, log));
}

async function benchSpeed(
  engines: Engines,
  rounds: number,
  wanted: ReadonlySet<Part>,
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  const rows: Row[] = [];
  const finish = (row: Row) => {
    rows.push(row);
    for (const result of resultsOf(row)) emit(result);
  };
  if (wanted.has('prefill') || wanted.has('decode')) {
    for (const past of PASTS) {
      log(`one sequence, ${past} tokens, ${rounds} rounds`);
      const { prefill, decode } = await benchSingle(engines, past, rounds, wanted, emit);
      if (prefill) finish(compare(`prefill-${past}`, prefill));
      if (decode) finish(compare(`decode-${past}`, decode));
    }
  }
  if (wanted.has('batch')) {
    log(`${SLOTS} sequences, ${rounds} rounds`);
    finish(compare(`decode-${PASTS[0]}-batch-${SLOTS}`, await benchBatch(engines, rounds)));
    const one = rows.find(({ name }) => name === `decode-${PASTS[0]}`);
    const scaling = rows.at(-1)!.ours / (one?.ours ?? Number.NaN);
    if (one) {
      const bar = { least: BARS.scaling };
      emit({ name: 'engine.batch-scaling', value: scaling, unit: 'x', bar });
    }
  }
  if (rows.length > 0) console.error(`\n${table(rows)}\n`);
}

/** Runs in turns; who begins changes from round to round. */
async function inTurns(
  engines: Engines,
  rounds: number,
  run: (driver: Driver, name: string, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const order = [...engines];
    for (const [name, driver] of round % 2 ? order.reverse() : order) {
      await run(driver, name, round);
    }
  }
}

const collect = (engines: Engines): Map<string, Rates> =>
  new Map([...engines.keys()].map((name) => [name, { rounds: [], best: 0 }]));

/** @param times milliseconds of the steps of one round, in each of which came `tokens` */
function note(rates: Rates, tokens: number, times: readonly number[]): void {
  rates.rounds.push((tokens * 1000) / median([...times]));
  rates.best = Math.max(rates.best, (tokens * 1000) / Math.min(...times));
}

async function benchSingle(
  engines: Engines,
  past: number,
  rounds: number,
  wanted: ReadonlySet<Part>,
  emit: Emit,
) {
  const prefill = collect(engines);
  const decode = collect(engines);
  const answers = new Map<string, number[]>();
  const prompt = promptOf(past);
  await inTurns(engines, rounds, async (driver, name, round) => {
    if (round === 0 || wanted.has('prefill')) {
      const { ms } = await driver.prefill([prompt]);
      note(prefill.get(name)!, past, [ms]);
    } else {
      await driver.rewind(past);
    }
    if (!wanted.has('decode')) return;
    const { ms, tokens } = await driver.decode(WARM_STEPS + STEPS);
    note(decode.get(name)!, 1, ms.slice(WARM_STEPS));
    if (round === 0) answers.set(name, tokens.flat());
  });
  // Equal weights, so that greedy answers agree until rounding turns a near tie.
  const [ours, ...others] = [...answers.values()];
  if (ours) {
    const same = Math.max(...others.map((other) => commonPrefix(ours, other)));
    emit({ name: `engine.same-tokens-${past}`, value: same, unit: `of ${ours.length}` });
  }
  return {
    prefill: wanted.has('prefill') ? prefill : null,
    decode: wanted.has('decode') ? decode : null,
  };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((token, i) => token !== b[i]);
  return differs < 0 ? a.length : differs;
}

/** Tokens of all sequences together. */
async function benchBatch(engines: Engines, rounds: number) {
  const past = PASTS[0]!;
  const prompts = Array.from({ length: SLOTS }, (_, i) => promptOf(past, i));
  const rates = collect(engines);
  await inTurns(engines, rounds, async (driver, name, round) => {
    if (round === 0) await driver.prefill(prompts);
    else await driver.rewind(past);
    const { ms } = await driver.decode(WARM_STEPS + STEPS);
    note(rates.get(name)!, SLOTS, ms.slice(WARM_STEPS));
  });
  return rates;
}

async function benchLoad(networkDir: string, threads: number, emit: Emit): Promise<void> {
  const loads: { stage: number; session: number }[] = [];
  for (let i = 0; i < LOADS; i++) {
    const session = await sessionSeconds(networkDir, threads, SLOTS);
    await using ours = await startOurs(networkDir, threads, SLOTS);
    const { stageSeconds } = ours.child.hello as { stageSeconds: number };
    loads.push({ stage: stageSeconds, session });
  }
  const stage = median(loads.map((load) => load.stage));
  const session = median(loads.map((load) => load.session));
  const ratio = median(loads.map((load) => load.stage / load.session));
  emit({ name: 'engine.load.stage', value: stage, unit: 's' });
  emit({ name: 'engine.load.session-alone', value: session, unit: 's' });
  emit({ name: 'engine.load.ratio', value: ratio, unit: 'x', bar: { most: BARS.load } });
}

/** Of processes that have done nothing yet but load. */
async function benchMemory(engines: Engines, emit: Emit): Promise<void> {
  const past = PASTS.at(-1)!;
  const add = (name: string, bytes: number) =>
    emit({ name: `engine.memory.${name}`, value: bytes / MB, unit: 'MB' });
  const { child } = engines.get(OURS)!;
  const { weightBytes } = child.hello as { weightBytes: number };
  add('weights-on-chain', weightBytes);
  for (const [name, driver] of engines) {
    const label = name.replaceAll(' ', '-');
    const loaded = await driver.child.peakMemory();
    add(`${label}.peak-after-load`, loaded);
    const { kvBytes = 0 } = await driver.prefill([promptOf(past)]);
    const peak = await driver.child.peakMemory();
    add(`${label}.peak-after-prefill-${past}`, peak);
    if (name !== OURS) continue;
    add(`${label}.kv-${past}`, kvBytes);
    const ratio = peak / (weightBytes + kvBytes);
    emit({ name: 'engine.memory.ratio', value: ratio, unit: 'x', bar: { most: BARS.memory } });
  }
}
