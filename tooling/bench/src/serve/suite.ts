/**
 * What the product serves on this machine, from a client's process that shares its cores. `many`: a hundred
 * clients on the embedded model; `batch`: eight on a model of a real size, against the bare engine; `idle`: a
 * thousand open streams; `scroll`: the chat page with a long conversation; `single`: one client at a time,
 * against the bare engine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '../result.ts';
import { benchBatch } from './batch.ts';
import { benchIdle, IDLE_ENV } from './idle.ts';
import { benchMany } from './many.ts';
import { addRandomModel, EMBEDDED, RANDOM } from './models.ts';
import { type Measured, startMeasured } from './product.ts';
import { benchScroll } from './scroll.ts';
import { benchSingle } from './single.ts';

export const PARTS = ['many', 'idle', 'scroll', 'batch', 'single'] as const;
type Part = (typeof PARTS)[number];

export interface ServeOptions {
  only?: readonly Part[] | undefined;
  /** Kept between runs: the product's data, with the random model on its chains. */
  work?: string | undefined;
  /** How long the hundred clients ask; 120 by default. */
  seconds?: number | undefined;
  /** Directory for CPU profiles of the product's processes under the hundred clients. */
  profiles?: string | undefined;
}

/** Long enough for a rate to settle. */
const SECONDS = 120;

export async function benchServe(
  { only = PARTS, work, seconds = SECONDS, profiles }: ServeOptions,
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const directory = work ?? (await mkdtemp(join(tmpdir(), 'blyan-bench-')));
  const dataDir = join(directory, 'serve');
  const run = async (env: NodeJS.ProcessEnv, work: (measured: Measured) => Promise<void>) => {
    log(`starting the product ${Object.entries(env).map(([name, value]) => `${name}=${value}`)}`);
    await using measured = await startMeasured(dataDir, env);
    await work(measured);
  };
  const embedded = { BLYAN_MODEL: EMBEDDED };
  const random = { BLYAN_MODEL: RANDOM };
  try {
    if (only.includes('many')) {
      const options = { ms: 1000 * seconds, profiles };
      await run(embedded, (measured) => benchMany(measured, options, emit, log));
    }
    if (only.includes('idle')) {
      await run({ ...embedded, ...IDLE_ENV }, (measured) => benchIdle(measured, emit, log));
    }
    if (only.includes('scroll')) {
      await run(embedded, (measured) => benchScroll(measured, emit, log));
    }
    if (only.includes('batch') || only.includes('single')) {
      await run(embedded, async (measured) => {
        await addRandomModel(measured.product, dataDir, emit, log);
        if (!only.includes('single')) return;
        await benchSingle(measured, { label: 'embedded', model: EMBEDDED }, emit);
      });
    }
    if (only.includes('batch')) {
      await run(random, (measured) => benchBatch(measured, emit));
    }
    if (only.includes('single')) {
      const options = { label: 'qwen3-0.6b-q4', model: RANDOM };
      await run(random, (measured) => benchSingle(measured, options, emit));
    }
  } finally {
    if (!work) await rm(directory, { recursive: true, force: true });
  }
}
