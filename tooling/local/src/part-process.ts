/** A part of ours as a child process: own process group, output into a log file, life tied to ours. */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, renameSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { waitForExit } from './processes.ts';
import type { Running } from './supervise.ts';

/** Above this a log is moved to `.1` at the next start of its part. */
const MAX_LOG_BYTES = 20 * 1024 * 1024;
const WARN = 40;

export interface PartProcess {
  name: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** How long it may take to finish its work when told to stop. */
  drainMs: number;
}

/** Our parts log JSON lines (pino); only warnings and worse are for the terminal. */
export function terminalLine(raw: string): string | null {
  try {
    const entry = JSON.parse(raw) as { level?: number; msg?: string; err?: { message?: string } };
    if ((entry.level ?? 0) < WARN) return null;
    return [entry.msg, entry.err?.message].filter(Boolean).join(': ').slice(0, 300) || null;
  } catch {
    return null;
  }
}

export async function startPart(p: PartProcess, say: (line: string) => void): Promise<Running> {
  if (existsSync(p.logFile) && statSync(p.logFile).size > MAX_LOG_BYTES) {
    renameSync(p.logFile, `${p.logFile}.1`);
  }
  const log = createWriteStream(p.logFile, { flags: 'a', mode: 0o600 });
  const child = spawn(process.execPath, p.args, {
    cwd: p.cwd,
    env: p.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    stream.pipe(log, { end: false });
    createInterface({ input: stream }).on('line', (raw) => {
      const line = terminalLine(raw);
      if (line) say(`${p.name}: ${line}`);
    });
  }
  const exited = new Promise<Awaited<Running['exited']>>((resolve) =>
    child.once('exit', (code, signal) => {
      log.end();
      resolve({ code, signal });
    }),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid as number;
  /** The whole group: a worker that was killed must not leave its engine process. */
  const killGroup = () => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nobody is left in it.
    }
  };
  return {
    pid,
    exited,
    async stop(force) {
      if (child.exitCode === null && child.signalCode === null && !force) {
        child.kill('SIGTERM');
        await waitForExit([pid], p.drainMs);
      }
      killGroup();
      await exited;
    },
  };
}
