/**
 * The embedded model in every stored format (apps/worker/bench/formats.ts as a child process): size,
 * decode speed, and divergence from f32 over the conversations of fixtures/heldout.jsonl, which are the
 * questions that were held out of its training, with their first answers. Ends with the table of
 * docs/formats.md on stderr.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Result } from './result.ts';

interface FormatResult {
  format: string;
  exact: boolean;
  kv: string;
  chainBytes: number;
  memoryBytes: number;
  tokensPerSecond: number;
  kl: number;
  top1: number;
  positions: number;
}

/**
 * Most of the divergence from f32 in nats, and least of the share of positions with the same likeliest token,
 * by the label: formats that hold the source exactly change nothing, the others little.
 */
const EXACT = { kl: 1e-9, top1: 1 };
const FINE = { kl: 1e-3, top1: 0.99 };
const BARS: Record<string, { kl: number; top1: number }> = {
  f32: EXACT,
  f16: EXACT,
  bf16: EXACT,
  q8: { kl: 1e-4, top1: 0.99 },
  q4: { kl: 0.02, top1: 0.95 },
  fp8: FINE,
  nf4: { kl: 0.02, top1: 0.93 },
  'fp8-exact': FINE,
  'nf4-exact': { kl: 0.02, top1: 0.93 },
  'f32-KV in f16': { kl: 1e-6, top1: 0.999 },
};

export async function benchFormats(
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const root = join(import.meta.dirname, '../../..');
  const script = join(root, 'apps/worker/bench/formats.ts');
  const model = join(root, 'models/blyan-guide');
  const conversations = join(import.meta.dirname, '../fixtures/heldout.jsonl');
  const args = ['--import', 'tsx', script, model, conversations, '0'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const results: FormatResult[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const result: FormatResult = JSON.parse(line);
    results.push(result);
    const label = labelOf(result).join('-');
    const bars = BARS[label];
    if (!bars) throw new RangeError(`formats.${label} has no bar`);
    const add = (name: string, value: number, unit: string, bar?: Result['bar']) =>
      emit({ name: `formats.${label}.${name}`, value, unit, ...(bar && { bar }) });
    add('chain', result.chainBytes, 'bytes');
    add('memory', result.memoryBytes, 'bytes');
    add('decode', result.tokensPerSecond, 'tok/s');
    add('kl', result.kl, 'nats', { most: bars.kl });
    add('top1', result.top1, 'ratio', { least: bars.top1 });
  }
  const [code] = await exited;
  if (code !== 0) throw new Error(`the formats' process ended with ${code}; its error is above`);
  log(`${results[0]!.positions} positions`);
  for (const line of table(results)) console.error(line);
}

const labelOf = ({ format, exact, kv }: FormatResult): string[] => [
  format,
  ...(exact ? ['exact'] : []),
  ...(kv === 'f32' ? [] : [`KV in ${kv}`]),
];

function table(results: FormatResult[]): string[] {
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return [
    '| format | on chain, MiB | in memory, MiB | decode, tokens/s | mean KL from f32, nats | top-1 as f32 |',
    '| --- | --- | --- | --- | --- | --- |',
    ...results.map((r) => {
      const [format, ...others] = labelOf(r);
      const name = [`\`${format}\``, ...others].join(', ');
      const kl = r.kl < 1e-9 ? '0' : r.kl.toPrecision(2);
      const top1 = `${(100 * r.top1).toFixed(2)}%`;
      return `| ${name} | ${mib(r.chainBytes)} | ${mib(r.memoryBytes)} | ${r.tokensPerSecond.toFixed(0)} | ${kl} | ${top1} |`;
    }),
  ];
}
