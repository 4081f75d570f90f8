/** Runs one of our programs to its end; its output goes to a log file and, line by line, to `onLine`. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { LocalError, type LocalErrorCode } from './errors.ts';
import { prefix } from './spawn-service.ts';

export interface CommandSpec {
  /** As in "… failed". */
  what: string;
  command: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
  code?: LocalErrorCode;
}

const TAIL_LINES = 12;

export async function runCommand(
  spec: CommandSpec,
  { signal, onLine }: { signal?: AbortSignal; onLine?: (line: string) => void } = {},
): Promise<string[]> {
  const log = createWriteStream(spec.logFile, { flags: 'a', mode: 0o600 });
  // A build that outlives its starter would write under the feet of the next one's.
  const [program, ...args] = [...prefix(undefined, 'TERM'), spec.command, ...spec.args] as [
    string,
    ...string[],
  ];
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: spec.env,
    // Not in the terminal's group: a Ctrl-C is ours to pass on.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stopGroup = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGTERM');
    } catch {
      // Already gone.
    }
  };
  signal?.addEventListener('abort', stopGroup, { once: true });
  const lines: string[] = [];
  const readers = [child.stdout, child.stderr].map(async (stream) => {
    for await (const line of createInterface({ input: stream })) {
      log.write(`${line}\n`);
      lines.push(line);
      if (lines.length > 2_000) lines.shift();
      onLine?.(line);
    }
  });
  try {
    const result = await new Promise<{ code: number | null; signal: string | null }>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, by) => resolve({ code, signal: by }));
      },
    );
    await Promise.all(readers);
    signal?.throwIfAborted();
    if (result.code !== 0) {
      const tail = lines
        .filter((line) => line.trim() && !/npm (error|warn|ERR!)/.test(line))
        .slice(-TAIL_LINES)
        .join('\n');
      throw new LocalError(
        spec.code ?? 'COMMAND_FAILED',
        `${spec.what} failed (${result.signal ?? `exit code ${result.code}`}):\n${tail}\nAll of its output is in ${spec.logFile}.`,
      );
    }
    return lines;
  } finally {
    signal?.removeEventListener('abort', stopGroup);
    log.end();
    await finished(log).catch(() => undefined);
  }
}
