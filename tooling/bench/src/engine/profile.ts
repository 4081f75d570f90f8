/** Where the time of our steps goes, by group and by operator (apps/worker/bench/profile.ts), as tables on stderr. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '@blyan/local/product';
import type { Result } from '../result.ts';

interface Phase {
  phase: string;
  /** Sessions of the runtime that a step goes through. */
  parts: number;
  /** `ms`, and those of groups and operators, are of one. */
  steps: number;
  ms: number;
  /** They add up to `ms`. */
  groups: { group: string; ms: number }[];
  ops: { op: string; ms: number; calls: number }[];
}

/** Operators below this share of a step are not shown. */
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
    const add = (name: string, value: number, unit: string) =>
      emit({ name: `engine.profile.${phase.phase}.${name}`, value, unit });
    add('step', phase.ms, 'ms');
    for (const { group, ms } of phase.groups) {
      add(`share.${group.replaceAll(' ', '-')}`, ms / phase.ms, 'of 1');
    }
    for (const { op, ms } of phase.ops) add(op, ms, 'ms/step');
  }
  const [code] = await exited;
  if (code !== 0) throw new Error('the profiled engine failed; its error is above');
}

function table({ phase, parts, steps, ms, groups, ops }: Phase): string {
  const row = (name: string, of: number, calls = '') =>
    `| ${name} | ${of.toFixed(2)} | ${((100 * of) / ms).toFixed(0)}% | ${calls} |`;
  return [
    `| ${phase}, ${steps} steps of ${parts} runs | ms of one step | share | calls |`,
    '| --- | --- | --- | --- |',
    row('all', ms),
    ...groups.map(({ group, ms: of }) => row(`**${group}**`, of)),
    ...ops
      .filter((op) => op.ms >= SMALLEST_SHARE * ms)
      .map(({ op, ms: of, calls }) => row(op, of, String(Math.round(calls)))),
  ].join('\n');
}
