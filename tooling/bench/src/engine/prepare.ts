/** What both engines run on, made once in a work directory and kept there: blocks and a GGUF file. */
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '@blyan/local/product';
import { parseConfig } from '@blyan/model/config';
import { BLOCK } from '@blyan/model/formats/layout';
import { QWEN3_0_6B, writeRandomCheckpoint } from '../random-checkpoint.ts';
import { writeGgufModel } from './gguf-model.ts';
import { createNetwork } from './network.ts';

/** Changed with the contents, so that an older directory is not taken for a new one. Block sizes are in its name. */
const VERSION = 3;

export interface Workload {
  /** Chains and blobs, see network.ts. */
  networkDir: string;
  gguf: string;
}

export async function prepare(work: string, log: (line: string) => void): Promise<Workload> {
  const dir = join(work, `qwen3-0.6b-q4-${BLOCK.q4}-v${VERSION}`);
  const workload = { networkDir: dir, gguf: join(dir, 'model.gguf') };
  if (await stat(dir).catch(() => null)) return workload;
  const unfinished = `${dir}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const checkpoint = join(unfinished, 'checkpoint');
  log('writing a random checkpoint of the Qwen3-0.6B shape');
  await writeRandomCheckpoint(checkpoint, QWEN3_0_6B, {
    tokenizerDir: join(ROOT, 'models/blyan-guide'),
  });
  log('importing it as q4');
  const { verifier, store } = await createNetwork(unfinished, checkpoint, 'q4', () => undefined);
  log('writing the same weights as a GGUF file');
  const config = parseConfig(JSON.parse(await readFile(join(checkpoint, 'config.json'), 'utf8')));
  const model = verifier.blocks('A').find((block) => block.isType('model'));
  if (!model?.isType('model')) throw new Error('the import left no model block');
  await writeGgufModel(join(unfinished, 'model.gguf'), config, model, { verifier, store });
  await rm(checkpoint, { recursive: true });
  await rename(unfinished, dir);
  return workload;
}
