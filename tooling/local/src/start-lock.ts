/** One `npm start` per data directory. */
import { renameSync, writeFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { LocalError } from './errors.ts';
import { isAlive, startOf } from './processes.ts';

/** A process number, and when that process began: another one with its number is not taken for it. */
interface Identity {
  pid: number;
  start: string | null;
}

interface Holder extends Identity {
  url: string;
}

export const isRunning = async ({ pid, start }: Identity) =>
  isAlive(pid) && (await startOf(pid)) === start;

async function holds(file: string): Promise<Holder | null> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as Holder;
    return (await isRunning(holder)) ? holder : null;
  } catch {
    return null;
  }
}

export async function takeStartLock(dataDir: string, url: string): Promise<AsyncDisposable> {
  const file = path.join(dataDir, 'start.lock');
  const mine: Holder = { pid: process.pid, start: await startOf(process.pid), url };
  for (;;) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(JSON.stringify(mine));
      await handle.close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = await holds(file);
      if (holder) {
        throw new LocalError(
          'ALREADY_RUNNING',
          `Blyan is already running on ${dataDir} (process ${holder.pid}, ${holder.url}): open it, stop it with Ctrl-C or \`kill ${holder.pid}\`, or start another one with BLYAN_DATA_DIR and PORT set.`,
          { pid: holder.pid },
        );
      }
      // Its owner was killed. Two starts that see this at once both remove it; one of them creates it.
      await rm(file, { force: true });
    }
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

/** Process numbers of a running product, for tests and for people who look for them. */
export interface RunFile {
  pid: number;
  url: string;
  ready: boolean;
  parts: Record<string, Identity>;
}

export const runFile = (dataDir: string) => path.join(dataDir, 'run.json');

export async function readRunFile(dataDir: string): Promise<RunFile | null> {
  const text = await readFile(runFile(dataDir), 'utf8').catch(() => 'null');
  try {
    return JSON.parse(text) as RunFile | null;
  } catch {
    return null;
  }
}

/** Synchronous, so that two parts that start at once do not write over each other. */
export function writeRunFile(dataDir: string, run: RunFile): void {
  const file = runFile(dataDir);
  writeFileSync(`${file}.new`, JSON.stringify(run), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
