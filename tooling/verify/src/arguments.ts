import { parseArgs } from 'node:util';
import { fromHex } from '@blyan/chain/hex';
import type { Hash } from '@blyan/chain/types';
import type { Target } from '@blyan/chain/walk';

export const USAGE = `Verifies what a main node serves, trusting nothing but the hash of its genesis block.

  npm run verify -- --main URL --genesis HASH --all
  npx blyan-verify --main URL --genesis HASH --tensor ROOT [--chunk N]

  --all              every block of every chain, and every weight
  --model NAME       a model, its layers, files and weights (or --model HASH of its block)
  --block HASH       one block
  --tensor ROOT      one tensor; with --chunk N its chunk of 1 MiB number N
  --no-weights       blocks alone, with --all or --model
  --prove            prove blocks of chain B into its signed log, however short it is
  --follow           read chain B block by block, however long it is
  --keep FILE        remember the signed checkpoints there, and hold the node to them the next time
  --json             one JSON document on stdout

Ends with 0 when everything holds, 1 when something does not, 2 when the command is wrong or the node does
not answer.`;

/** Bad arguments: the message is for the one who typed them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  main: string;
  genesis: Hash;
  /** A block's chain is not known yet. */
  target: Exclude<Target, { kind: 'block' }> | { kind: 'block'; hash: Hash };
  maxFollowed: number | undefined;
  keep: string | undefined;
  json: boolean;
}

/** @returns null for `--help`; @throws UsageError */
export function readArguments(args: string[]): Options | null {
  const values = parse(args);
  if (values.help) return null;
  const main = values.main ?? wrong('--main URL is missing: the address of a main node.');
  if (!URL.canParse(main)) wrong(`--main: ${main} is no URL.`);
  const text =
    values.genesis ?? wrong('--genesis HASH is missing: it is what everything is checked against.');
  const genesis = hash('--genesis', text);
  const kinds = (['all', 'model', 'block', 'tensor'] as const).filter((name) => values[name]);
  const [kind, second] = kinds;
  if (!kind || second) wrong('One of --all, --model, --block and --tensor is needed.');
  if (values.prove && values.follow) wrong('--prove and --follow exclude each other.');
  return {
    main,
    genesis,
    target: targetOf(kind, values),
    maxFollowed: values.prove ? 0 : values.follow ? Number.POSITIVE_INFINITY : undefined,
    keep: values.keep,
    json: values.json ?? false,
  };
}

function parse(args: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const options = {
      main: text,
      genesis: text,
      all: flag,
      model: text,
      block: text,
      tensor: text,
      chunk: text,
      'no-weights': flag,
      prove: flag,
      follow: flag,
      keep: text,
      json: flag,
      help: flag,
    };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function targetOf(
  kind: 'all' | 'model' | 'block' | 'tensor',
  values: ReturnType<typeof parse>,
): Options['target'] {
  const weights = !values['no-weights'];
  if (values.chunk !== undefined && kind !== 'tensor') wrong('--chunk goes with --tensor.');
  switch (kind) {
    case 'all':
      return { kind: 'chains', weights };
    case 'model': {
      const name = values.model!;
      return { kind, model: /^[0-9a-f]{64}$/.test(name) ? fromHex(name) : name, weights };
    }
    case 'block':
      return { kind, hash: hash('--block', values.block!) };
    case 'tensor': {
      const root = hash('--tensor', values.tensor!);
      const { chunk } = values;
      if (chunk === undefined) return { kind, root };
      if (!/^\d{1,7}$/.test(chunk)) wrong(`--chunk: ${chunk} is no number of a chunk.`);
      return { kind, root, chunk: Number(chunk) };
    }
  }
}

function hash(name: string, text: string): Hash {
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text);
  return wrong(`${name}: expected 64 hex digits.`);
}

function wrong(message: string): never {
  throw new UsageError(message);
}
