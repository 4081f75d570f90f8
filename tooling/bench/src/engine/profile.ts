/** Where the time of our runs goes, by operator (apps/worker/bench/profile.ts), as tables on stderr. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '@blyan/local/product';
import type { Result } from '../result.ts';

interface Phase {
  phase: string;
  /** Of the session; `ms`, and those of the operators, are of one run. */
  runs: number;
  ms: number;
  ops: { op: string; ms: number; calls: number }[];
}

/** Operators below this share of a run are summed up as one. */
const SMALLEST_SHARE = 0.005;

export async function benchProfile(
  networkDir: string,
  threads: number,
  emit: (result: Result) => void,
): Promise<void> {
  const script = join(ROOT, 'apps/worker/bench/profile.ts');
  const args = ['--import', 'tsx', script, networkDir, String(threads)];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const phase = JSON.parse(line) as Phase;
    console.error(`\n${table(phase)}`);
    for (const { op, ms } of phase.ops) {
      emit({ name: `engine.profile.${phase.phase}.${op}`, value: ms, unit: 'ms/run' });
    }
  }
  const [code] = await exited;
  if (code !== 0) throw new Error('the profiled engine failed; its error is above');
}

function table({ phase, runs, ms, ops }: Phase): string {
  const shown = ops.filter((op) => op.ms >= SMALLEST_SHARE * ms);
  const rest = ms - shown.reduce((sum, op) => sum + op.ms, 0);
  const rows = [
    ...shown.map(({ op, ms: of, calls }) => [op, of, String(Math.round(calls))] as const),
    ['(smaller ones, and between them)', rest, ''] as const,
  ];
  return [
    `| ${phase}, ${runs} runs | ms of one run | share | calls |`,
    '| --- | --- | --- | --- |',
    `| all | ${ms.toFixed(2)} | | |`,
    ...rows.map(
      ([op, of, calls]) =>
        `| ${op} | ${of.toFixed(2)} | ${((100 * of) / ms).toFixed(0)}% | ${calls} |`,
    ),
  ].join('\n');
}
