/** Waits of a running answer beside long prompts (apps/worker/bench/waits.ts as a child process). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Result } from './result.ts';

/** A chunk of a prompt is what two cores do in 250 ms (prefill-chunks.ts), and tokens are collected for 60 ms. */
const BARS: Record<string, Result['bar']> = { 'waits.longest': { most: 310 } };

export async function benchWaits(emit: (result: Result) => void): Promise<void> {
  const root = join(import.meta.dirname, '../../..');
  const script = join(root, 'apps/worker/bench/waits.ts');
  const args = ['--import', 'tsx', script, join(root, 'models/blyan-guide'), '0'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const result = JSON.parse(line) as Result;
    const bar = BARS[result.name];
    emit({ ...result, ...(bar && { bar }) });
  }
  const [code] = await exited;
  if (code !== 0) throw new Error(`the benchmark's process ended with ${code}; its error is above`);
}
