/** One `npm start` per data directory. */
import { createHash, randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LocalError } from './errors.ts';
import { isAlive, startOf } from './processes.ts';

const LOCK = 'start.lock';

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

const readLock = (file: string) => readFile(file, 'utf8').catch(() => null);

async function runningHolder(text: string): Promise<Holder | null> {
  try {
    const holder = JSON.parse(text) as Holder;
    return (await isRunning(holder)) ? holder : null;
  } catch {
    return null;
  }
}

/**
 * Creates `file` with all its content at once (a link, so that nobody reads half of it), or takes it
 * over from an owner that was killed. Only who holds the lock that is named after what a dead owner
 * left may replace that: of many starts that find it at once, one does.
 * @returns null, or who holds it
 */
async function takeLock(file: string, text: string): Promise<Holder | null> {
  for (;;) {
    const fresh = `${file}.${randomUUID()}.new`;
    try {
      await writeFile(fresh, text, { flag: 'wx', mode: 0o600 });
      await link(fresh, file);
      return null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await rm(fresh, { force: true });
    }
    const left = await readLock(file);
    if (left === null) continue;
    const holder = await runningHolder(left);
    if (holder) return holder;
    const hash = createHash('sha256').update(left).digest('hex').slice(0, 16);
    const claim = `${path.join(path.dirname(file), LOCK)}.${hash}`;
    const other = await takeLock(claim, text);
    if (other) return other;
    try {
      // Another one may have held the claim before us, and be the owner by now.
      if ((await readLock(file)) !== left) continue;
      await writeFile(fresh, text, { flag: 'wx', mode: 0o600 });
      await rename(fresh, file);
      return null;
    } finally {
      await rm(claim, { force: true });
    }
  }
}

export async function takeStartLock(dataDir: string, url: string): Promise<AsyncDisposable> {
  const file = path.join(dataDir, LOCK);
  const mine: Holder = { pid: process.pid, start: await startOf(process.pid), url };
  const holder = await takeLock(file, JSON.stringify({ ...mine, id: randomUUID() }));
  if (holder) {
    throw new LocalError(
      'ALREADY_RUNNING',
      `Blyan is already running on ${dataDir} (process ${holder.pid}, ${holder.url}): open it, stop it with Ctrl-C or \`kill ${holder.pid}\`, or start another one with BLYAN_DATA_DIR and PORT set.`,
      { pid: holder.pid },
    );
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
