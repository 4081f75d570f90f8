/** What is measured on a chain that was grown: pages, proofs and searches, by their 95th percentile. */
import { toHex } from '@blyan/chain/hex';
import type { Hash } from '@blyan/chain/types';
import { getBlock } from '@blyan/db/chain';
import { createDb, type Db } from '@blyan/db/client';
import {
  chainGrowth,
  chainSummary,
  diffModels,
  findModel,
  listHeaders,
  listModelTensors,
  modelSizes,
} from '@blyan/db/explorer';
import { proveConsistency, proveInclusion } from '@blyan/db/proofs';
import { searchAll } from '@blyan/db/search';
import { modelsOfTensor, usesOfTensor } from '@blyan/db/tensor-uses';
import type { Result } from '../result.ts';
import { GROUPS, tensorAt } from './layers.ts';
import { seed } from './seed.ts';

const ROUNDS = 100;
const BARS = { db: 50, http: 150 };

export type Emit = (result: Result) => void;

/** A running product, and the key that writes its blocks. */
export interface Target {
  url: string;
  databaseUrl: string;
  secretKey: Uint8Array;
}

interface Samples {
  size: number;
  author: Hash;
  models: Hash[];
  /** Of the same models, on chain A. */
  modelHeights: number[];
  hashes: Hash[];
}

/** Grows chain B of a running product and measures. */
export async function measureExplorer(
  { url, databaseUrl, secretKey }: Target,
  blocks: number,
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  log(`growing chain B to ${blocks} blocks`);
  const seeded = await seed(databaseUrl, { blocks, secretKey }, log);
  if (seeded.blocks > 0) {
    emit({ name: 'explorer.seed', value: seeded.blocks / seeded.seconds, unit: 'blocks/s' });
  }
  const db = createDb(databaseUrl);
  try {
    const samples = await takeSamples(db, seeded.models);
    await measure('db', databaseWork(db, samples), emit, log);
    await measure('http', httpWork(url, samples), emit, log);
  } finally {
    await db.$disconnect();
  }
}

/** The same numbers in every run: what is measured must not depend on luck. */
function numbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  };
}

async function takeSamples(db: Db, models: Hash[]): Promise<Samples> {
  const summary = await chainSummary(db, 'B');
  const rows = await Promise.all(models.map((model) => findModel(db, model)));
  const modelHeights = rows.flatMap((row) => row?.height ?? []);
  if (!summary || modelHeights.length < 2) throw new Error('the seeded rows are missing');
  const random = numbers();
  const hashes: Hash[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const block = await getBlock(db, 'B', Math.floor(random() * summary.size));
    hashes.push(block!.hash);
  }
  const [author] = summary.authors;
  return { size: summary.size, author: author!, models, modelHeights, hashes };
}

type Work = Record<string, (i: number, random: () => number) => Promise<unknown>>;

const page = { order: 'desc', limit: 50 } as const;
const sorted = { order: 'asc', limit: 50, cursor: null } as const;

function databaseWork(db: Db, { size, author, modelHeights, hashes }: Samples): Work {
  const [modelHeight, other] = modelHeights as [number, number];
  const height = (random: () => number) => Math.floor(random() * size);
  const tensor = (random: () => number) => tensorAt(Math.floor(random() * 10_000));
  return {
    'page.newest': () => listHeaders(db, 'B', page),
    'page.middle': (_, r) => listHeaders(db, 'B', { ...page, from: height(r) }),
    'page.by-type': (_, r) => listHeaders(db, 'B', { ...page, from: height(r), type: 'layer' }),
    'page.by-type-rare': () => listHeaders(db, 'B', { ...page, type: 'genesis' }),
    'page.by-author': (_, r) => listHeaders(db, 'B', { ...page, from: height(r), author }),
    'page.by-nobody': (_, r) =>
      listHeaders(db, 'B', { ...page, from: height(r), author: hashes[0]! }),
    'block.by-height': (_, r) => getBlock(db, 'B', height(r)),
    'block.by-hash': (i) => getBlock(db, 'B', hashes[i]!),
    'proof.inclusion': (_, r) => proveInclusion(db, 'B', { height: height(r), size }),
    'proof.consistency': (_, r) => proveConsistency(db, 'B', { from: height(r), to: size }),
    'search.height': (_, r) => searchAll(db, `${height(r)}`),
    'search.hash': (i) => searchAll(db, toHex(hashes[i]!)),
    'search.hash-part': (i) => searchAll(db, toHex(hashes[i]!).slice(0, 4 + (i % 12))),
    'search.tensor': (_, r) => searchAll(db, tensor(r).name),
    'search.tensor-word': (i) => searchAll(db, ['q_proj', 'mlp', 'layers', 'norm'][i % 4]!),
    'search.layer': (_, r) => searchAll(db, `layer.${Math.floor(r() * 900)}`),
    'search.model': () => searchAll(db, 'bench thousand'),
    'search.nothing': (i) => searchAll(db, `nothing-${i}-of-this`),
    'tensor.uses': (_, r) => usesOfTensor(db, tensor(r).root, { limit: 50, cursor: null }),
    'tensor.models': (_, r) => modelsOfTensor(db, tensor(r).root, 51),
    'model.tensors': () => listModelTensors(db, modelHeight, { ...sorted, sort: 'ordinal' }),
    'model.tensors-by-size': () =>
      listModelTensors(db, modelHeight, { ...sorted, order: 'desc', sort: 'byteLength' }),
    'model.tensors-filtered': (_, r) =>
      listModelTensors(db, modelHeight, {
        ...sorted,
        sort: 'name',
        q: tensor(r).name.slice(8, -7),
      }),
    'model.sizes': () => modelSizes(db, modelHeight),
    'model.diff': () => diffModels(db, [modelHeight, other], { limit: 50, cursor: null }),
    'model.diff-deep': (_, r) =>
      diffModels(db, [modelHeight, other], {
        limit: 50,
        cursor: { key: 2 * Math.floor(r() * GROUPS), id: 0 },
      }),
    'chain.summary': () => chainSummary(db, 'B'),
    'chain.growth': () => chainGrowth(db, 'B', 60),
  };
}

function httpWork(url: string, { size, author, models, hashes }: Samples): Work {
  const get = async (at: string) => {
    const response = await fetch(url + at, { signal: AbortSignal.timeout(60_000) });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${at}: ${response.status}`);
  };
  /** Until it begins: what follows is as long as the chain. */
  const begin = async (at: string) => {
    const stop = new AbortController();
    const response = await fetch(url + at, { signal: stop.signal });
    if (!response.ok) throw new Error(`${at}: ${response.status}`);
    await response.body?.getReader().read();
    stop.abort();
  };
  const height = (random: () => number) => Math.floor(random() * size);
  const tensor = (random: () => number) => tensorAt(Math.floor(random() * 10_000));
  const search = (text: string) => get(`/search?q=${encodeURIComponent(text)}`);
  const [model, other] = models.map(toHex) as [string, string];
  const group = (random: () => number) => `layer.${Math.floor(random() * (GROUPS - 2))}`;
  return {
    'page.newest': () => get('/chain/B/blocks'),
    'page.middle': (_, r) => get(`/chain/B/blocks?before=${1 + height(r)}`),
    'page.by-author': (_, r) =>
      get(`/chain/B/blocks?before=${1 + height(r)}&author=${toHex(author)}`),
    'csv.first-rows': (_, r) => begin(`/chain/B/blocks?before=${1 + height(r)}&format=csv`),
    'block.by-height': (_, r) => get(`/chain/B/block/${height(r)}`),
    'block.by-hash': (i) => get(`/chain/B/block/${toHex(hashes[i]!)}`),
    'proof.inclusion': (_, r) => get(`/proofs/inclusion?chain=B&height=${height(r)}&size=${size}`),
    'proof.consistency': (_, r) => get(`/proofs/consistency?chain=B&from=${height(r)}&to=${size}`),
    'search.height': (_, r) => search(`${height(r)}`),
    'search.hash-part': (i) => search(toHex(hashes[i]!).slice(0, 4 + (i % 12))),
    'search.tensor': (_, r) => search(tensor(r).name),
    'search.tensor-word': (i) => search(['q_proj', 'mlp', 'layers', 'norm'][i % 4]!),
    'search.nothing': (i) => search(`nothing-${i}-of-this`),
    'tensor.details': (_, r) => get(`/tensors/${toHex(tensor(r).root)}`),
    'model.list': () => get('/models'),
    'model.details': () => get(`/models/${model}`),
    'model.tensors': () => get(`/models/${model}/tensors`),
    'model.tensors-of-layer': (_, r) => get(`/models/${model}/tensors?group=${group(r)}`),
    'model.tensors-by-size': () => get(`/models/${model}/tensors?sort=byteLength&order=desc`),
    'model.diff': () => get(`/models/${model}/diff?with=${other}`),
    'chain.summary': () => get('/chain'),
    'chain.growth': () => get('/chain/B/growth'),
    'html.home': () => get('/explorer?chain=B'),
    'html.home-deep': (_, r) => get(`/explorer?chain=B&before=${1 + height(r)}`),
    'html.block': (i) => get(`/explorer/B/${toHex(hashes[i]!)}`),
    'html.model-block': () => get(`/explorer/A/${model}`),
    'html.model': () => get(`/explorer/model/${model}`),
    'html.tensor': (_, r) => get(`/explorer/tensor/${toHex(tensor(r).root)}`),
    'html.lineage': (_, r) => get(`/explorer/lineage?model=${model}&group=${group(r)}`),
  };
}

async function measure(
  kind: keyof typeof BARS,
  work: Work,
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  let worst = 0;
  for (const [name, run] of Object.entries(work)) {
    const random = numbers();
    const times: number[] = [];
    // The first ones fill caches and compile; a page is asked for more than once.
    for (let i = -5; i < ROUNDS; i++) {
      const started = performance.now();
      await run(Math.max(0, i), random);
      if (i >= 0) times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    const p95 = times[Math.ceil(0.95 * times.length) - 1]!;
    worst = Math.max(worst, p95);
    emit({ name: `explorer.${kind}.${name}`, value: p95, unit: 'ms p95' });
    emit({ name: `explorer.${kind}.${name}`, value: times[times.length >> 1]!, unit: 'ms median' });
  }
  const bar = BARS[kind];
  log(
    `${kind}: ${worst.toFixed(1)} ms at most, the bar is ${bar} ms${worst > bar ? ': MISSED' : ''}`,
  );
  emit({ name: `explorer.${kind}.worst`, value: worst, unit: 'ms p95', bar: { most: bar } });
}
