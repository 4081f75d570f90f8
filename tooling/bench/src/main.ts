/**
 * `npm run bench [-- hash formats serve pipeline waits engine explorer memory]`: JSON lines `{name, value, unit}` on
 * stdout, with `bar` where a figure must keep to one, and then a table and progress on stderr. Ends with 1 when a bar
 * is missed.
 *
 * Of the engine's and the serving part: `--only prefill,decode`, `--work DIR`; of the engine's and of waits
 * `--rounds N`; of the engine's `--threads N`; of the serving one's `--seconds N`, `--profiles DIR`; of the explorer's `--blocks N`; of that and
 * memory: `--data DIR` of a running product.
 */
import { parseArgs } from 'node:util';
import { benchEngine, PARTS as ENGINE_PARTS, type EngineOptions } from './engine/suite.ts';
import { benchExplorer } from './explorer/suite.ts';
import { benchFormats } from './formats.ts';
import { benchHash } from './hash.ts';
import { benchMemory } from './memory/suite.ts';
import { benchPipeline } from './pipeline.ts';
import { barTable, keepsBar, type Result } from './result.ts';
import { benchServe, PARTS as SERVE_PARTS, type ServeOptions } from './serve/suite.ts';
import { benchWaits } from './waits.ts';

const results: Result[] = [];
const emit = (result: Result) => {
  results.push(result);
  console.log(JSON.stringify({ ...result, value: Number(result.value.toPrecision(4)) }));
};
const log = (line: string) => console.error(`· ${line}`);

type Options = Omit<EngineOptions & ServeOptions, 'only'> & {
  only: readonly string[] | undefined;
  blocks: number | undefined;
  data: string | undefined;
};
const SUITES: Record<string, (options: Options) => Promise<void>> = {
  hash: async () => (await benchHash()).forEach(emit),
  formats: () => benchFormats(emit, log),
  serve: (options) => benchServe({ ...options, only: partsOf(SERVE_PARTS, options) }, emit, log),
  pipeline: () => benchPipeline(emit),
  waits: (options) => benchWaits(options, emit),
  engine: (options) => benchEngine({ ...options, only: partsOf(ENGINE_PARTS, options) }, emit, log),
  explorer: (options) => benchExplorer(options, emit, log),
  memory: (options) => benchMemory(options, emit, log),
};

class UsageError extends Error {}

/** Of those that were asked for, the ones of this suite. */
const partsOf = <P extends string>(known: readonly P[], { only }: Options): P[] | undefined =>
  only && known.filter((part) => only.includes(part));

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
      seconds: { type: 'string' },
      profiles: { type: 'string' },
    },
  });
  const unknown = positionals.filter((name) => !(name in SUITES));
  if (unknown.length > 0) {
    throw new UsageError(`There is no benchmark ${unknown}; there are ${Object.keys(SUITES)}.`);
  }
  const count = (flag: 'rounds' | 'threads' | 'blocks' | 'seconds') => {
    const value = values[flag];
    if (value === undefined) return undefined;
    if (!/^[1-9]\d{0,6}$/.test(value)) throw new UsageError(`--${flag} is a number, not ${value}.`);
    return Number(value);
  };
  const only = values.only?.split(',');
  const parts: readonly string[] = [...ENGINE_PARTS, ...SERVE_PARTS];
  const odd = only?.filter((name) => !parts.includes(name)) ?? [];
  if (odd.length > 0) throw new UsageError(`--only knows ${parts.join(', ')}, not ${odd}.`);
  return {
    suites: positionals,
    options: {
      only,
      rounds: count('rounds'),
      threads: count('threads'),
      work: values.work,
      blocks: count('blocks'),
      data: values.data,
      seconds: count('seconds'),
      profiles: values.profiles,
    },
  };
}

try {
  const { suites, options } = readArguments(process.argv.slice(2));
  for (const [name, suite] of Object.entries(SUITES)) {
    if (suites.length === 0 || suites.includes(name)) await suite(options);
  }
  if (results.some(({ bar }) => bar)) console.error(`\n${barTable(results)}`);
  if (!results.every(keepsBar)) process.exitCode = 1;
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof TypeError && 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code)));
  if (!isUsage) throw error;
  console.error((error as Error).message);
  process.exitCode = 2;
}
