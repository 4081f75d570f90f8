/** The product under measurement: started as `npm start` does it, with probes in its processes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Product, startProduct } from '@blyan/local/product';
import { startJsonChild } from '../json-child.ts';
import type { Streamed } from './chat-stream.ts';
import type { Asking, Question } from './clients.ts';
import { makeProbes, type Probe } from './probe.ts';

export interface Measured extends AsyncDisposable {
  product: Product;
  dataDir: string;
  /** Process numbers by part. */
  pids: Record<string, number>;
  probe(part: 'web' | 'coordinator' | 'worker'): Probe;
  databaseUrl: string;
  redisUrl: string;
}

export async function startMeasured(
  dataDir: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Measured> {
  const probes = await makeProbes();
  const product = await startProduct({ dataDir, env: { ...env, ...probes.env } });
  const pids = await product.pids();
  const services = JSON.parse(await readFile(join(dataDir, 'services.json'), 'utf8'));
  const { postgres, redis } = services;
  return {
    product,
    dataDir,
    pids,
    probe: (part) => probes.of(pids[part]!),
    databaseUrl: `postgresql://blyan:${postgres.password}@127.0.0.1:${postgres.port}/blyan`,
    redisUrl: `redis://:${redis.password}@127.0.0.1:${redis.port}`,
    [Symbol.asyncDispose]: () => product[Symbol.asyncDispose](),
  };
}

export interface Clients extends AsyncDisposable {
  ask(options: {
    url: string;
    model: string;
    clients: number;
    ms: number;
    questions: Question[];
    tokens: number;
  }): Promise<Asking>;
  batch(options: { url: string; prompts: string[]; tokens: number }): Promise<Streamed[]>;
  open(url: string, ids: string[]): Promise<{ open: number }>;
  close(): Promise<{ broken: number }>;
}

export async function startClients(): Promise<Clients> {
  const child = await startJsonChild(import.meta.dirname, [
    join(import.meta.dirname, 'clients.ts'),
  ]);
  return {
    ask: (options) => child.call({ op: 'ask', ...options }),
    batch: (options) => child.call({ op: 'batch', ...options }),
    open: (url, ids) => child.call({ op: 'open', url, ids }),
    close: () => child.call({ op: 'close' }),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
