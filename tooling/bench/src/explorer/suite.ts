/**
 * The explorer over a chain of a million blocks and 10,000 tensors: the 95th percentile of its pages,
 * proofs and searches, in the database and over HTTP. The bars are 50 ms and 150 ms.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromHex } from '@blyan/chain/hex';
import { startProduct } from '@blyan/local/product';
import { readRunFile } from '@blyan/local/start-lock';
import { type Emit, measureExplorer, type Target } from './measure.ts';

const BLOCKS = 1_000_000;

/** @param data of a product that runs: its chains grow, once, and can be measured again and again */
export async function benchExplorer(
  { blocks = BLOCKS, data }: { blocks?: number | undefined; data?: string | undefined },
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  if (data !== undefined) return await measureAt(data, blocks, emit, log);
  const work = await mkdtemp(path.join(tmpdir(), 'blyan-bench-'));
  const dataDir = path.join(work, 'data');
  try {
    log('starting the product');
    // The newest model is to be one of the seeded ones, whose weights are nowhere.
    const env = { BLYAN_MODEL: 'blyan-guide' };
    await using _ = await startProduct({ dataDir, env });
    await measureAt(dataDir, blocks, emit, log);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function measureAt(
  dataDir: string,
  blocks: number,
  emit: Emit,
  log: (line: string) => void,
): Promise<void> {
  const run = await readRunFile(dataDir);
  if (!run?.ready) throw new Error(`no product runs on ${dataDir}: start one with BLYAN_DATA_DIR`);
  // The worker would follow the new blocks, for minutes, on the cores that are measured.
  using _ = await pause(run.parts.worker?.pid);
  await measureExplorer(await readTarget(dataDir, run.url), blocks, emit, log);
}

async function readTarget(dataDir: string, url: string): Promise<Target> {
  const services = JSON.parse(await readFile(path.join(dataDir, 'services.json'), 'utf8'));
  const key = JSON.parse(await readFile(path.join(dataDir, 'keys', 'authority.json'), 'utf8'));
  const { port, password } = services.postgres;
  const databaseUrl = `postgresql://blyan:${password}@127.0.0.1:${port}/blyan`;
  return { url, databaseUrl, secretKey: fromHex(key.secretKey) };
}

/** A process and its children stand still until this is disposed of. */
async function pause(pid: number | undefined): Promise<Disposable> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const pids = [String(pid), ...children.trim().split(' ').filter(Boolean)];
  const send = (signal: string) => spawnSync('kill', [`-${signal}`, ...pids]);
  send('STOP');
  return { [Symbol.dispose]: () => void send('CONT') };
}
