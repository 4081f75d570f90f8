/**
 * A command of the coordinator, on the services of the running `npm start`, or on ones that are started
 * for it and stopped after it.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { build } from './build.ts';
import { command, initialise, migrate } from './chain-setup.ts';
import { localUrl, readEnv, withDotEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { baseEnv } from './parts.ts';
import { prepareDataDir } from './preflight.ts';
import { createReporter, type Reporter } from './report.ts';
import { runningServices } from './running-services.ts';
import { startServices } from './services.ts';
import { takeStartLock } from './start-lock.ts';
import { onStopSignal, stopInOrder } from './stop.ts';
import type { Part } from './supervise.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

export interface CommandRun {
  /** Of the bundled command, as in `model-import`. */
  name: string;
  /** As in "… failed". */
  what: string;
  args: string[];
}

/** @returns the exit code */
async function run({ name, what, args }: CommandRun, reporter: Reporter): Promise<number> {
  const env = readEnv(ROOT, withDotEnv(ROOT, process.env));
  await prepareDataDir(env);
  const logs = path.join(env.dataDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const stopping = new AbortController();
  const stop = onStopSignal(stopping, reporter);
  const parts: Part[] = [];
  let lock: AsyncDisposable | undefined;
  try {
    let urls = await runningServices(env);
    const running = urls !== null;
    if (!urls) {
      lock = await takeStartLock(env.dataDir, localUrl(env));
      urls = await startServices(env, logs, {
        reporter,
        say: (line) => reporter.line(`  ${line}`),
        onStart: async () => undefined,
        adopt: (part) => void parts.push(part),
      });
    }
    const context = { root: ROOT, env, logs, signal: stopping.signal, ...urls };
    if (!running) {
      await reporter.step('build', ({ update }) =>
        build(
          {
            root: ROOT,
            logFile: path.join(logs, 'build.log'),
            env: baseEnv(env.source),
            signal: stopping.signal,
            only: '@blyan/coordinator',
          },
          (line) => update(line.trim()),
        ),
      );
      await migrate(context, reporter);
      await initialise(context, reporter);
    }
    const spec = command(context, name, args, what);
    const child = spawn(spec.command, spec.args, {
      cwd: process.env.INIT_CWD ?? process.cwd(),
      env: { ...spec.env, ...(process.env.TERM && { TERM: process.env.TERM }) },
      stdio: 'inherit',
      detached: false,
    });
    stopping.signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    await stopInOrder(parts, stop, reporter);
    await lock?.[Symbol.asyncDispose]();
    stop.done();
  }
}

/** Runs the command and sets the exit code; what went wrong is told in one sentence. */
export async function coordinatorCommand(command: CommandRun): Promise<void> {
  const reporter = createReporter(process.stdout, process.env);
  try {
    process.exitCode = await run(command, reporter);
  } catch (error) {
    const expected = error instanceof LocalError || (error instanceof Error && 'code' in error);
    reporter.line(`\n✗ ${expected ? error.message : (error as Error).stack}`);
    process.exitCode = 1;
  }
}
