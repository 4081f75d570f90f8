/**
 * `npm run model:import -- <directory or hub id> [options]`: the coordinator's command, on the
 * services of the running `npm start`, or on ones that are started for it and stopped after it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.ts';
import { command, initialise, migrate } from './chain-setup.ts';
import { localUrl, readEnv, withDotEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { baseEnv, hubEnv } from './parts.ts';
import { prepareDataDir } from './preflight.ts';
import { createReporter } from './report.ts';
import { runningServices } from './running-services.ts';
import { startServices } from './services.ts';
import { takeStartLock } from './start-lock.ts';
import { onStopSignal, stopInOrder } from './stop.ts';
import type { Part } from './supervise.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const reporter = createReporter(process.stdout, process.env);

/** A command from its source: a plan needs no services, and so no build. */
async function plan(args: string[], source: NodeJS.ProcessEnv): Promise<number> {
  const script = path.join(ROOT, 'apps/coordinator/src/commands/model-plan.ts');
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const child = spawn(process.execPath, ['--import', pathToFileURL(tsx).href, script, ...args], {
    cwd: process.env.INIT_CWD ?? process.cwd(),
    env: { ...baseEnv(source), ...hubEnv(source) },
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function main(args: string[]): Promise<number> {
  const env = readEnv(ROOT, withDotEnv(ROOT, process.env));
  if (args.includes('--plan')) return await plan(args, env.source);
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
    const spec = command(context, 'model-import', args, 'The import');
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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof LocalError || (error instanceof Error && 'code' in error);
  reporter.line(`\n✗ ${expected ? error.message : (error as Error).stack}`);
  process.exitCode = 1;
}
