/**
 * Looking at processes of this machine. Everything that signals a process which this run did not
 * spawn goes through here, and asks for proof that it is ours: an executable's name and a working
 * directory (or a command line) that only we use. A pid from a file alone is never enough, since
 * pids are reused.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LINUX = process.platform === 'linux';

/** False for a zombie too: it has ended, only nobody has asked for its exit code yet. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (!LINUX) return true;
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Command line, or null when there is no such process or it may not be seen. */
export async function commandOf(pid: number): Promise<string | null> {
  if (LINUX) {
    const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
    return raw === null ? null : raw.replaceAll('\0', ' ').trim();
  }
  const result = await run('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => null);
  return result?.stdout.trim() || null;
}

/** Something that differs between two processes which had the same pid. */
export async function startOf(pid: number): Promise<string | null> {
  if (LINUX) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    // Field 22 is the start time in ticks; the name in field 2 may contain spaces.
    return (
      stat
        ?.slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .at(19) ?? null
    );
  }
  const result = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => null);
  return result?.stdout.trim() || null;
}

/** Processes of the named program that work in `dir` (PostgreSQL and Redis both change to theirs). */
export async function processesIn(dir: string, program: RegExp, hint?: number): Promise<number[]> {
  const home = await realpath(dir).catch(() => null);
  if (home === null) return [];
  if (!LINUX) {
    const command = hint && isAlive(hint) ? await commandOf(hint) : null;
    return hint && command?.includes(home) && program.test(command) ? [hint] : [];
  }
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    if (cwd !== home) continue;
    const exe = await readlink(`/proc/${pid}/exe`).catch(() => '');
    if (program.test(path.basename(exe))) found.push(pid);
  }
  return found;
}

/** Processes that a process has started and not waited for. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = LINUX
    ? await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
    : ((await run('pgrep', ['-P', String(pid)]).catch(() => null))?.stdout ?? '');
  return text.split(/\s+/).filter(Boolean).map(Number);
}

/** True when all have ended in time. */
export async function waitForExit(pids: number[], timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (pids.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await sleep(25);
  }
  return true;
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
