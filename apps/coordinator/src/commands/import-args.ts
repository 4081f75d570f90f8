/** `npm run model:import -- <directory or hub id> [options]`, parsed and checked. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { StoredFormat } from '@blyan/chain/types';
import { FORMATS } from '@blyan/model/formats/layout';
import { isHubId } from '@blyan/model/hub';
import { CommandError } from './command.ts';

/** The largest cards of a home computer have 16 to 32; no card has more than 300. */
const DEFAULT_MEMORY_GB = 16;
const MAX_MEMORY_GB = 10_000;

export const USAGE = `Usage: npm run model:import -- <directory or hub id> [options]

  <directory>      a checkpoint: config.json, tokenizer.json, *.safetensors
  <hub id>         for example Qwen/Qwen3-0.6B, from HF_ENDPOINT, with HF_TOKEN where it is needed

  --format F       ${FORMATS.join(', ')}; default: the checkpoint's own type, unchanged
  --name N         name on the chain; default: the directory's or the repository's name
  --revision R     branch, tag or commit of the hub's repository; default: main
  --help           this text

Without importing anything:
  --plan           what the model takes, on chain and in memory, in each format (or that of --format),
                   and what fits a GPU; needs no more than config.json
  --memory-gb N    of the GPU, in 10^9 bytes; default: ${DEFAULT_MEMORY_GB}
  --json           the plan as JSON
`;

/** Shown in pages, sent as \`model\` by API clients. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/;

export interface PlanArgs {
  memoryBytes: number;
  json: boolean;
}

export type ImportArgs = {
  /** null keeps the checkpoint's own types. */
  format: StoredFormat | null;
  name: string;
  /** Only to be told what the model would take. */
  plan: PlanArgs | null;
} & ({ kind: 'directory'; dir: string } | { kind: 'hub'; id: string; revision: string });

/** null when help is asked for. @throws CommandError */
export async function parseImportArgs(args: string[], cwd: string): Promise<ImportArgs | null> {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const [source, ...rest] = positionals;
  if (source === undefined || rest.length > 0) {
    throw new CommandError(
      `Expected one directory or hub id, got ${positionals.length}.\n\n${USAGE}`,
    );
  }
  const format = FORMATS.find((known) => known === values.format) ?? null;
  if (values.format !== undefined && format === null) {
    throw new CommandError(`--format ${values.format}: expected one of ${FORMATS.join(', ')}.`);
  }
  const plan = planArgs(values);
  const named = (fallback: string) => {
    const name = values.name ?? fallback;
    // A plan puts nothing on chain.
    if (plan || NAME.test(name)) return name;
    throw new CommandError(
      `"${name}" cannot be a model's name: letters, digits, dot, dash and underscore only. Give one with --name.`,
    );
  };
  const dir = resolve(cwd, source);
  if ((await stat(dir).catch(() => null))?.isDirectory()) {
    if (values.revision !== undefined) {
      throw new CommandError('--revision goes with a hub id, not with a directory.');
    }
    return { kind: 'directory', dir, format, name: named(basename(dir)), plan };
  }
  if (!isHubId(source)) {
    throw new CommandError(
      `${source} is neither a directory nor a hub id such as Qwen/Qwen3-0.6B.`,
    );
  }
  const revision = values.revision ?? 'main';
  return { kind: 'hub', id: source, revision, format, name: named(basename(source)), plan };
}

function planArgs(values: ReturnType<typeof parse>['values']): PlanArgs | null {
  const { plan = false, json = false, 'memory-gb': memory } = values;
  if (!plan) {
    if (!json && memory === undefined) return null;
    throw new CommandError('--json and --memory-gb go with --plan.');
  }
  const gb = memory === undefined ? DEFAULT_MEMORY_GB : Number(memory);
  if (!(gb > 0 && gb <= MAX_MEMORY_GB)) {
    throw new CommandError(`--memory-gb ${memory}: expected a number from 0 to ${MAX_MEMORY_GB}.`);
  }
  return { memoryBytes: Math.round(gb * 1e9), json };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        format: { type: 'string' },
        name: { type: 'string' },
        revision: { type: 'string' },
        plan: { type: 'boolean' },
        'memory-gb': { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`);
  }
}
