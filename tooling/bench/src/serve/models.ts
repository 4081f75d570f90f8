/** The models that are served here: the embedded one, and a random one of a real size. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '@blyan/local/product';
import { QWEN3_0_6B, writeRandomCheckpoint } from '../random-checkpoint.ts';
import type { Result } from '../result.ts';

export const EMBEDDED = 'blyan-guide';
export const RANDOM = 'random-qwen3-0.6b-q4';

/** Puts the random model on the chains of a running product, unless it is there, and times it. */
export async function addRandomModel(
  { url, port }: { url: string; port: number },
  dataDir: string,
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const response = await fetch(`${url}/v1/models`);
  const { data } = (await response.json()) as { data: { id: string }[] };
  if (data.some(({ id }) => id === RANDOM)) return;
  const checkpoint = join(dataDir, 'checkpoint');
  log('writing a random checkpoint of the Qwen3-0.6B shape');
  const { bytes } = await writeRandomCheckpoint(checkpoint, QWEN3_0_6B, {
    tokenizerDir: join(ROOT, 'models', EMBEDDED),
  });
  const readSeconds = await hashFile(join(checkpoint, 'model.safetensors'));
  log('importing it as q4');
  const start = performance.now();
  const child = spawn(
    process.execPath,
    [
      'tooling/local/bootstrap.mjs',
      'model:import',
      checkpoint,
      ...['--format', 'q4', '--name', RANDOM],
    ],
    {
      cwd: ROOT,
      env: { ...process.env, BLYAN_DATA_DIR: dataDir, PORT: String(port) },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`model:import ended with ${code}`);
  const seconds = (performance.now() - start) / 1000;
  await rm(checkpoint, { recursive: true });
  emit({ name: 'import.q4', value: bytes / 1e6 / seconds, unit: 'MB/s' });
  emit({ name: 'import.q4.peer-read-sha256', value: bytes / 1e6 / readSeconds, unit: 'MB/s' });
}

/** Seconds that it takes to read and hash a file, and do nothing else. */
async function hashFile(file: string): Promise<number> {
  const start = performance.now();
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  hash.digest();
  return (performance.now() - start) / 1000;
}

export async function genesisOf(url: string): Promise<string> {
  const response = await fetch(`${url}/chain/A/block/0`);
  const { hash } = (await response.json()) as { hash: string };
  return hash;
}
