/** `npm start`: from nothing to a first answer, and back to nothing on Ctrl-C. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from './build.ts';
import { importEmbeddedModel, initialise, migrate } from './chain-setup.ts';
import { type LocalEnv, localUrl, readEnv, withDotEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { stopLeftoverParts } from './leftovers.ts';
import { baseEnv, partSpecs } from './parts.ts';
import { checkPort, prepareDataDir } from './preflight.ts';
import { startOf } from './processes.ts';
import { firstAnswer, untilReady } from './ready.ts';
import { createReporter, type Reporter, seconds } from './report.ts';
import { readApiKey, readAuthSecret } from './secrets.ts';
import { startServices } from './services.ts';
import { setupLink } from './setup-link.ts';
import { type RunFile, runFile, takeStartLock, writeRunFile } from './start-lock.ts';
import { onStopSignal, stopInOrder } from './stop.ts';
import { Part } from './supervise.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

async function start(env: LocalEnv, reporter: Reporter): Promise<void> {
  const began = Date.now();
  const url = localUrl(env);
  await prepareDataDir(env);
  const lock = await takeStartLock(env.dataDir, url);
  const logs = path.join(env.dataDir, 'logs');
  const stopping = new AbortController();
  const parts: Part[] = [];
  const run: RunFile = { pid: process.pid, url, ready: false, parts: {} };
  const deps = {
    reporter,
    say: (line: string) => reporter.line(`  ${line}`),
    async onStart(name: string, pid: number) {
      run.parts[name] = { pid, start: await startOf(pid) };
      writeRunFile(env.dataDir, run);
    },
    adopt: (part: Part) => void parts.push(part),
  };
  const stop = onStopSignal(stopping, reporter);
  try {
    await stopLeftoverParts(env.dataDir, deps.say);
    await checkPort(env);
    await mkdir(logs, { recursive: true, mode: 0o700 });
    const services = await startServices(env, logs, deps);
    stopping.signal.throwIfAborted();
    await reporter.step(
      'build',
      ({ update }) =>
        build(
          {
            root: ROOT,
            logFile: path.join(logs, 'build.log'),
            env: buildEnv(env),
            signal: stopping.signal,
          },
          (line) => line.trim() && update(line.trim()),
        ),
      ({ cached, total }) =>
        cached === total ? 'build is current' : `built ${total - cached} of ${total} parts`,
    );
    const context = { root: ROOT, env, logs, signal: stopping.signal, ...services };
    await migrate(context, reporter);
    const genesis = await initialise(context, reporter);
    await importEmbeddedModel(context, reporter);
    const apiKey = env.apiKey ?? (await readApiKey(env.dataDir));
    const authSecret = env.authSecret ?? (await readAuthSecret(env.dataDir));
    for (const spec of partSpecs({ ...context, apiKey, authSecret, genesis, say: deps.say })) {
      stopping.signal.throwIfAborted();
      const part = new Part(spec, deps);
      parts.push(part);
      await part.start();
    }
    await reporter.step(
      'first answer',
      async ({ update }) => {
        const ready = { parts, logs, signal: stopping.signal, update };
        await untilReady(url, ready);
        await firstAnswer(url, ready);
      },
      () => 'web, coordinator and worker run; first answer',
    );
    const setup = await setupLink(context.databaseUrl);
    announce({ url, genesis, setup, env, ms: Date.now() - began }, reporter);
    // Last: who waits for it may count on everything having been said.
    run.ready = true;
    writeRunFile(env.dataDir, run);
    await new Promise<void>((resolve) =>
      stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await stopInOrder(parts, stop, reporter);
    await rm(runFile(env.dataDir), { force: true });
    await lock[Symbol.asyncDispose]();
    stop.done();
  }
}

function buildEnv(env: LocalEnv): NodeJS.ProcessEnv {
  const tools = ['TURBO_TELEMETRY_DISABLED', 'CHECKPOINT_DISABLE', 'PRISMA_SCHEMA_ENGINE_BINARY'];
  const kept = tools.map((name) => [name, process.env[name]] as const);
  return { ...baseEnv(env.source), ...Object.fromEntries(kept) };
}

interface Announcement {
  url: string;
  genesis: string;
  /** Path of the one-time link to the first admin; null when there is an admin. */
  setup: string | null;
  env: LocalEnv;
  ms: number;
}

function announce({ url, genesis, setup, env, ms }: Announcement, { line }: Reporter): void {
  line('');
  line(`Blyan is ready (${seconds(ms)})`);
  line(`  Chat      ${url}/`);
  line(`  Explorer  ${url}/explorer`);
  line(`  Admin     ${env.publicUrl ?? url}${setup ?? '/admin'}`);
  if (setup) line('            (works once: whoever opens it becomes the first admin)');
  line(`  API       curl -X POST ${url}/chat -H 'Content-Type: application/json' \\`);
  line(`              -d '{"prompt":"Hello","max_tokens":50}'`);
  // Whole: it is what a worker on another machine pins.
  line(`  Genesis   ${genesis}`);
  line(`  Logs      ${path.relative(process.cwd(), path.join(env.dataDir, 'logs'))}`);
  line('Ctrl-C stops everything that was started.');
}

const reporter = createReporter(process.stdout, process.env);
try {
  await start(readEnv(ROOT, withDotEnv(ROOT, process.env)), reporter);
} catch (error) {
  // Errors of our packages carry a code and one clear sentence; anything else is a defect of ours.
  const expected = error instanceof LocalError || (error instanceof Error && 'code' in error);
  reporter.line(`\n✗ ${expected ? error.message : (error as Error).stack}`);
  process.exitCode = 1;
}
