/**
 * What a person who waits for an answer notices of the engine, each part in a process of its own on the embedded
 * model: waits beside long prompts (apps/worker/bench/waits.ts), the first token of each turn of a conversation
 * (turns.ts), and what guesses give (guesses.ts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Result } from './result.ts';

const ROUNDS = 5;
/** Tokens of an answer that is guessed at. */
const ANSWER = 400;

const BARS: Record<string, Result['bar']> = {
  // What a running answer may wait for while prompts are read, on the embedded model.
  'waits.longest': { most: 200 },
  // What a turn reads does not grow with the history, only what it looks back on.
  'turns.last-by-second': { most: 2 },
  'guesses.repeating.gain': { least: 1.2 },
  // Guesses that don't pay rest, so they cost next to nothing.
  'guesses.random.gain': { least: 0.95 },
};

export async function benchWaits(
  { rounds = ROUNDS }: { rounds?: number | undefined },
  emit: (result: Result) => void,
): Promise<void> {
  await runPart('waits.ts', [], emit);
  await runPart('turns.ts', [rounds], emit);
  await runPart('guesses.ts', [rounds, ANSWER], emit);
}

async function runPart(
  script: string,
  more: readonly number[],
  emit: (result: Result) => void,
): Promise<void> {
  const root = join(import.meta.dirname, '../../..');
  const path = join(root, 'apps/worker/bench', script);
  const args = [
    '--import',
    'tsx',
    path,
    join(root, 'models/blyan-guide'),
    '0',
    ...more.map(String),
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const result = JSON.parse(line) as Result;
    const bar = BARS[result.name];
    emit({ ...result, ...(bar && { bar }) });
  }
  const [code] = await exited;
  if (code !== 0) throw new Error(`${script} ended with ${code}; its error is above`);
}
