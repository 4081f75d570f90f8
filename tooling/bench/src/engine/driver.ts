/** Both engines as child processes that are asked the same things. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '@blyan/local/product';
import { type JsonChild, startJsonChild } from '../json-child.ts';

export interface Driver extends AsyncDisposable {
  readonly child: JsonChild;
  /** Of each prompt, and all read to the end. Milliseconds, and bytes of the positions' K and V. */
  prefill(prompts: readonly number[][]): Promise<{ ms: number; kvBytes?: number }>;
  /** Each step gives every sequence a token. */
  decode(steps: number): Promise<{ ms: number[]; tokens: number[][] }>;
  /** Forgets all positions behind the first ones. */
  rewind(length: number): Promise<void>;
}

/** Threads of the last engine may spin for a moment after a run. */
const QUIET_MS = 150;

/** Bundled, as it is deployed: a loader of TypeScript has memory and time of its own. */
export async function buildOurs(): Promise<void> {
  const args = ['--import', 'tsx', 'apps/worker/scripts/build.ts', 'bench'];
  const build = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(build, 'exit');
  if (code !== 0) throw new Error('our engine could not be built; the error is above');
}

/** As the worker starts its engine (apps/worker/src/engine/client.ts). */
const ENGINE_FLAGS = ['--max-semi-space-size=4'];

/** @param slots sequences that one step can serve */
export async function startOurs(
  networkDir: string,
  threads: number,
  slots: number,
): Promise<Driver> {
  const script = join(ROOT, 'apps/worker/dist/bench/compare.js');
  const args = [script, networkDir, String(threads), String(slots)];
  return drive(await startJsonChild(ROOT, args, ENGINE_FLAGS));
}

/** Seconds that the runtime takes to create our sessions alone, over weights in memory, in a process of its own. */
export async function sessionSeconds(
  networkDir: string,
  threads: number,
  slots: number,
): Promise<number> {
  const script = join(ROOT, 'apps/worker/dist/bench/session-alone.js');
  const args = [script, networkDir, String(threads), String(slots)];
  await using child = await startJsonChild(ROOT, args, ENGINE_FLAGS);
  return (child.hello as { sessionSeconds: number }).sessionSeconds;
}

export async function startLlama(
  peerDir: string,
  gguf: string,
  threads: number,
  flashAttention: boolean,
): Promise<Driver> {
  const script = join(import.meta.dirname, 'llama.ts');
  const flash = flashAttention ? 'on' : 'off';
  return drive(await startJsonChild(ROOT, [script, peerDir, gguf, String(threads), flash]));
}

function drive(child: JsonChild): Driver {
  const quietly = async <T>(command: object) => {
    await sleep(QUIET_MS);
    return await child.call<T>(command);
  };
  return {
    child,
    prefill: (prompts) => quietly({ op: 'prefill', prompts }),
    decode: (steps) => quietly({ op: 'decode', steps }),
    async rewind(length) {
      await child.call({ op: 'rewind', length });
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** The same ids for every engine and round; another seed gives another prompt. */
export function promptOf(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, i) => 5 + ((i * 37 + seed * 1009) % 4000));
}
