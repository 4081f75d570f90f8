/**
 * Memory while tensors of two sizes are verified: it must not grow with the tensor. In Chromium the pages
 * of a tensor, of a whole model and of the reader's own file; in Node the standalone verifier.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT, startProduct } from '@blyan/local/product';
import { readRunFile } from '@blyan/local/start-lock';
import { type Shape, writeRandomCheckpoint } from '../random-checkpoint.ts';
import type { Result } from '../result.ts';
import { type MeasuredPage, openMeasuredPage } from './browser.ts';
import { type Memory, residentBytes, sampleMemory } from './sampler.ts';

type Emit = (result: Result) => void;
type Log = (line: string) => void;

const EMBEDDED = 'blyan-guide';
const MODEL = 'random-large-tensor';
const FORMATS = ['bf16', 'q8'] as const;
/** The embedding has 512 MiB in bf16, each matrix of the MLP 64 MiB. */
const SHAPE: Shape = {
  layers: 1,
  hidden: 1024,
  heads: 8,
  kvHeads: 4,
  headDim: 128,
  intermediate: 32_768,
  vocab: 262_144,
  context: 4096,
  tied: true,
};
const WALK_TIMEOUT_MS = 300_000;

/** @param data of a product that runs; its chains get two models more, once */
export async function benchMemory(
  { data }: { data?: string | undefined },
  emit: Emit,
  log: Log,
): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'blyan-bench-'));
  try {
    if (data !== undefined) return await measureAt(data, work, emit, log);
    const dataDir = path.join(work, 'data');
    log('starting the product');
    await using _ = await startProduct({ dataDir, env: { BLYAN_MODEL: EMBEDDED } });
    await measureAt(dataDir, work, emit, log);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Site {
  url: string;
  genesis: string;
  /** Hashes of the model blocks, by format. */
  models: Record<string, string>;
  /** Roots in bf16, by MiB. */
  tensors: Record<number, string>;
  /** The source file. */
  file: string;
}

async function measureAt(dataDir: string, work: string, emit: Emit, log: Log): Promise<void> {
  const run = await readRunFile(dataDir);
  if (!run?.ready) throw new Error(`no product runs on ${dataDir}: start one with BLYAN_DATA_DIR`);
  const site = await prepare(run.url, dataDir, work, log);
  const report = (name: string, memory: Memory) => {
    for (const [when, value] of Object.entries(memory)) {
      emit({ name: `memory.${name}.${when}`, value: value / 2 ** 20, unit: 'MiB' });
    }
    const grown = (memory.peak - memory.before) / 2 ** 20;
    emit({ name: `memory.${name}.grown`, value: grown, unit: 'MiB' });
  };
  for (const [size, root] of Object.entries(site.tensors)) {
    log(`a tensor of ${size} MiB`);
    report(`node.tensor-${size}`, await verifierMemory(site, ['--tensor', root]));
    const at = `/explorer/tensor/${root}`;
    await pageMemory(site, at, report, `page.tensor-${size}`, verify('Verify this tensor'));
  }
  for (const [format, hash] of Object.entries(site.models)) {
    log(`the whole model in ${format}, and the file that it was made from`);
    const at = `/explorer/model/${hash}`;
    await pageMemory(site, at, report, `page.model-${format}`, verify('Verify the whole model'));
    const own = `/explorer/own-file/${hash}`;
    await pageMemory(site, own, report, `page.own-file-${format}`, chooseFile(site.file));
  }
}

async function prepare(url: string, dataDir: string, work: string, log: Log): Promise<Site> {
  const json = async <T>(at: string) => {
    const response = await fetch(url + at, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${at}: ${response.status}`);
    return (await response.json()) as T;
  };
  const checkpoint = path.join(work, 'checkpoint');
  log('writing a random checkpoint with a large tensor, and importing it');
  await writeRandomCheckpoint(checkpoint, SHAPE, {
    tokenizerDir: path.join(ROOT, 'models', EMBEDDED),
  });
  const models: Site['models'] = {};
  for (const format of FORMATS) {
    const name = `${MODEL}-${format}`;
    await importModel(checkpoint, { name, format, dataDir, url });
    const found = await json<{ models: { hash: string; name: string }[] }>(`/models?q=${name}`);
    models[format] = found.models.find((model) => model.name === name)!.hash;
  }
  const { tensors } = await json<{ tensors: { root: string; byteLength: number }[] }>(
    `/models/${models.bf16}/tensors?sort=byteLength&order=desc&limit=2`,
  );
  const bySize = tensors.map(({ root, byteLength }) => [byteLength / 2 ** 20, root] as const);
  const genesis = (await json<{ hash: string }>('/chain/A/block/0')).hash;
  const file = path.join(checkpoint, 'model.safetensors');
  return { url, genesis, models, tensors: Object.fromEntries(bySize), file };
}

async function importModel(
  checkpoint: string,
  o: { name: string; format: string; dataDir: string; url: string },
): Promise<void> {
  const args = ['model:import', checkpoint, '--format', o.format, '--name', o.name];
  const child = spawn(process.execPath, ['tooling/local/bootstrap.mjs', ...args], {
    cwd: ROOT,
    env: { ...process.env, BLYAN_DATA_DIR: o.dataDir, PORT: new URL(o.url).port },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`model:import ended with ${code}`);
}

type Act = (page: MeasuredPage['page']) => Promise<void>;

const verify =
  (button: string): Act =>
  async (page) => {
    await page.getByRole('button', { name: button, exact: true }).click();
    await page.getByText('verified: everything holds').waitFor({ timeout: WALK_TIMEOUT_MS });
  };

const chooseFile =
  (file: string): Act =>
  async (page) => {
    await page.locator('input[type=file]').setInputFiles(file);
    const verdict = page.getByTestId('own-file-verdict');
    await verdict.waitFor({ timeout: WALK_TIMEOUT_MS });
    if ((await verdict.getAttribute('data-good')) !== 'true') {
      throw new Error(`the file is refused: ${await verdict.textContent()}`);
    }
  };

/** A browser of its own for each, and the work once for each figure: reading one disturbs the other. */
async function pageMemory(
  { url }: Site,
  at: string,
  report: (name: string, memory: Memory) => void,
  name: string,
  act: Act,
): Promise<void> {
  for (const figure of ['resident', 'javascript'] as const) {
    await using measured = await openMeasuredPage();
    const { page } = measured;
    await page.goto(url + at);
    await page.getByText('kept in this browser').first().waitFor();
    // What the page shows of the tensor itself is read first.
    await page.waitForLoadState('networkidle');
    const memory = await sampleMemory(
      () => measured[figure](),
      () => measured.collectGarbage(),
      () => act(page),
    );
    report(`${name}.${figure}`, memory);
  }
}

async function verifierMemory({ url, genesis }: Site, target: string[]): Promise<Memory> {
  const bin = path.join(ROOT, 'tooling/verify/bin/blyan-verify.mjs');
  const args = [bin, '--main', url, '--genesis', genesis, ...target, '--json'];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  let last = 0;
  const memory = await sampleMemory(
    async () => {
      last = (await residentBytes(child.pid!)) || last;
      return last;
    },
    async () => undefined,
    async () => {
      const [code] = await exited;
      if (code !== 0) throw new Error(`blyan-verify ended with ${code}`);
    },
  );
  return memory;
}
