/** `model:import --plan`: reads config.json and nothing else; no database, no key, no blobs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '@blyan/model/config';
import { FORMATS } from '@blyan/model/formats/layout';
import { readHubConfig } from '@blyan/model/hub';
import { planMemory } from '@blyan/model/plan/memory';
import { planTable } from '@blyan/model/plan/table';
import { readHubEnv } from '../env.ts';
import { CommandError } from './command.ts';
import type { ImportArgs, PlanArgs } from './import-args.ts';

/** A table as Markdown, or JSON. @throws CommandError, ModelError */
export async function planImport(
  args: ImportArgs,
  { memoryBytes, json }: PlanArgs,
  signal: AbortSignal,
): Promise<string> {
  const config = parseConfig(await readConfig(args, signal));
  const formats = args.format === null ? FORMATS : [args.format];
  const plan = planMemory(config, { formats, memoryBytes });
  return json ? JSON.stringify(plan, null, 2) : planTable(plan);
}

async function readConfig(args: ImportArgs, signal: AbortSignal): Promise<unknown> {
  if (args.kind === 'directory') {
    const path = join(args.dir, 'config.json');
    const bytes = await readFile(path).catch(() => {
      throw new CommandError(`${path} cannot be read; a plan needs it.`);
    });
    return parse(bytes, path);
  }
  const { id, revision } = args;
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token = null } = readHubEnv();
  const bytes = await readHubConfig({ id, revision, endpoint, token, signal });
  return parse(bytes, `config.json of ${id}`);
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new CommandError(`${what} is not JSON: ${(error as Error).message}`);
  }
}
