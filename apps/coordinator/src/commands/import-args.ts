/** `npm run model:import -- <directory or hub id> [options]`, parsed and checked. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { StoredFormat } from '@blyan/chain/types';
import { FORMATS } from '@blyan/model/formats/layout';
import { isHubId } from '@blyan/model/hub';
import { CommandError } from './command.ts';

export const USAGE = `Usage: npm run model:import -- <directory or hub id> [options]

  <directory>      a checkpoint: config.json, tokenizer.json, *.safetensors
  <hub id>         for example Qwen/Qwen3-0.6B, from HF_ENDPOINT, with HF_TOKEN where it is needed

  --format F       ${FORMATS.join(', ')}; default: the checkpoint's own type, unchanged
  --name N         name on the chain; default: the directory's or the repository's name
  --revision R     branch, tag or commit of the hub's repository; default: main
  --help           this text
`;

/** Shown in pages, sent as \`model\` by API clients. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/;

export type ImportArgs = {
  /** null keeps the checkpoint's own types. */
  format: StoredFormat | null;
  name: string;
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
  const named = (fallback: string) => {
    const name = values.name ?? fallback;
    if (NAME.test(name)) return name;
    throw new CommandError(
      `"${name}" cannot be a model's name: letters, digits, dot, dash and underscore only. Give one with --name.`,
    );
  };
  const dir = resolve(cwd, source);
  if ((await stat(dir).catch(() => null))?.isDirectory()) {
    if (values.revision !== undefined) {
      throw new CommandError('--revision goes with a hub id, not with a directory.');
    }
    return { kind: 'directory', dir, format, name: named(basename(dir)) };
  }
  if (!isHubId(source)) {
    throw new CommandError(
      `${source} is neither a directory nor a hub id such as Qwen/Qwen3-0.6B.`,
    );
  }
  const revision = values.revision ?? 'main';
  return { kind: 'hub', id: source, revision, format, name: named(basename(source)) };
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
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`);
  }
}
