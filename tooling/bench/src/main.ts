/**
 * `npm run bench [-- hash formats serving pipeline waits engine explorer memory]`: JSON lines `{name, value, unit}` on stdout,
 * progress on stderr. Of the engine's part: `--only prefill,decode`, `--rounds N`, `--threads N`, `--work DIR`; of the
 * explorer's: `--blocks N`; of that and memory: `--data DIR` of a running product.
 */
import { parseArgs } from 'node:util';
import { benchEngine, type EngineOptions, PARTS, type Part } from './engine/suite.ts';
import { benchExplorer } from './explorer/suite.ts';
import { benchFormats } from './formats.ts';
import { benchHash } from './hash.ts';
import { benchMemory } from './memory/suite.ts';
import { benchPipeline } from './pipeline.ts';
import type { Result } from './result.ts';
import { benchServing } from './serving.ts';
import { benchWaits } from './waits.ts';

const emit = ({ name, value, unit }: Result) =>
  console.log(JSON.stringify({ name, value: Number(value.toPrecision(4)), unit }));
const log = (line: string) => console.error(`· ${line}`);

type Options = EngineOptions & { blocks: number | undefined; data: string | undefined };
const SUITES: Record<string, (options: Options) => Promise<void>> = {
  hash: async () => (await benchHash()).forEach(emit),
  formats: () => benchFormats(emit, log),
  serving: () => benchServing(emit, log),
  pipeline: () => benchPipeline(emit),
  waits: () => benchWaits(emit),
  engine: (options) => benchEngine(options, emit, log),
  explorer: (options) => benchExplorer(options, emit, log),
  memory: (options) => benchMemory(options, emit, log),
};

class UsageError extends Error {}

function readArguments(args: string[]): { suites: string[]; options: Options } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      work: { type: 'string' },
      blocks: { type: 'string' },
      data: { type: 'string' },
    },
  });
  const unknown = positionals.filter((name) => !(name in SUITES));
  if (unknown.length > 0) {
    throw new UsageError(`There is no benchmark ${unknown}; there are ${Object.keys(SUITES)}.`);
  }
  const count = (flag: 'rounds' | 'threads' | 'blocks') => {
    const value = values[flag];
    if (value === undefined) return undefined;
    if (!/^[1-9]\d{0,6}$/.test(value)) throw new UsageError(`--${flag} is a number, not ${value}.`);
    return Number(value);
  };
  const only = values.only?.split(',').map((name) => {
    const part = PARTS.find((known): known is Part => known === name);
    if (!part) throw new UsageError(`--only knows ${PARTS.join(', ')}, not ${name}.`);
    return part;
  });
  return {
    suites: positionals,
    options: {
      only,
      rounds: count('rounds'),
      threads: count('threads'),
      work: values.work,
      blocks: count('blocks'),
      data: values.data,
    },
  };
}

try {
  const { suites, options } = readArguments(process.argv.slice(2));
  for (const [name, suite] of Object.entries(SUITES)) {
    if (suites.length === 0 || suites.includes(name)) await suite(options);
  }
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof TypeError && 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code)));
  if (!isUsage) throw error;
  console.error((error as Error).message);
  process.exitCode = 2;
}
