/** Checked-in checkpoints, loaded as a worker loads them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredFormat } from '@blyan/chain/types';
import type { ModelFiles } from '@blyan/model/files';
import type { StageOptions } from '@blyan/model/stage/graph';
import type { StageSpec } from '@blyan/model/stage/plan';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { kvBytesPerPosition } from '../../src/engine/kv-cache.ts';
import { KvMemory } from '../../src/engine/kv-memory.ts';
import { loadStage, pickModel } from '../../src/engine/load-model.ts';
import type { StageSession } from '../../src/engine/stage-session.ts';
import { createNetwork, type Network } from './network.ts';

const root = join(import.meta.dirname, '../../../..');
export const GUIDE = join(root, 'models/blyan-guide');
export const micro = (name: string) => join(root, 'packages/model/fixtures/micro', name);

export const readJson = async <T>(path: string): Promise<T> =>
  JSON.parse(await readFile(path, 'utf8')) as T;

export interface LoadedModel extends AsyncDisposable {
  network: Network;
  files: ModelFiles;
  transforms: string[];
  matmul: string;
  /** What the session was given and the rows of the embedding, which stay where they were verified. */
  memoryBytes: number;
  session: StageSession;
}

export interface LoadModelOptions extends StageOptions {
  format?: StoredFormat;
  spec?: (files: ModelFiles) => StageSpec;
  fetch?: string[];
  threads?: number;
  /** Of the smallest part that the stage is cut into. */
  partBytes?: number;
}

/** Import, verify, build: no shortcut, so that what is measured is what a worker computes. */
export async function loadModel(
  checkpoint: string,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  const network = await createNetwork();
  try {
    return await loadInto(network, checkpoint, options);
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

async function loadInto(
  network: Network,
  checkpoint: string,
  options: LoadModelOptions,
): Promise<LoadedModel> {
  await network.import(checkpoint, 'test', options.format ?? null);
  const { verifier, store } = network;
  const { files, session } = await loadStage(
    { verifier, model: pickModel(verifier) },
    { store, sources: [] },
    { threads: 1, ...options },
  );
  return {
    network,
    files,
    transforms: session.numerics.transforms,
    matmul: session.numerics.matmul,
    memoryBytes: session.memoryBytes,
    session,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
    },
  };
}

export const GREEDY = { ...NEUTRAL, temperature: 0, seed: 0 };

/** Largest absolute difference. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} values against ${b.length}`);
  let max = 0;
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i]! - b[i]!));
  return max;
}

/** Enough for everything that a test runs, unless it says otherwise. */
export function kvMemory(
  session: Pick<StageSession, 'config' | 'spec' | 'numerics' | 'createCache'>,
  bytes = 2 ** 30,
): KvMemory {
  const { config, spec } = session;
  const { kv } = session.numerics;
  const layers = spec.layers[1] - spec.layers[0] + 1;
  const bytesPerPosition = kvBytesPerPosition(config, layers, kv);
  return new KvMemory({ config, bytes, bytesPerPosition }, () => session.createCache());
}
