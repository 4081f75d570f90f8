/**
 * One real PostgreSQL and one real Redis for a whole test run, in a temporary directory.
 *
 * In a package's vitest.config.ts: `globalSetup: ['../../tooling/local/src/test-services.ts']`; in
 * a test: `import type {} from '@blyan/local/test-context'` and `inject('databaseUrl')`. Vitest runs
 * a globalSetup once per project, all in its main process, hence the count.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';
import { isAlive } from './processes.ts';
import { startRedis } from './redis.ts';
import './test-context.ts';

export interface TestServices extends AsyncDisposable {
  /** Database `postgres`; the user may CREATE DATABASE. */
  databaseUrl: string;
  redisUrl: string;
  dir: string;
}

const PREFIX = 'blyan-test-';

/** Directories of runs that were killed. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('-')[0]) : 0;
    if (pid > 0 && !isAlive(pid)) {
      await rm(path.join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

export async function startTestServices(): Promise<TestServices> {
  await sweep();
  const dir = await mkdtemp(path.join(tmpdir(), `${PREFIX}${process.pid}-`));
  // PostgreSQL runs as another account when we are root, and must pass here.
  await chmod(dir, 0o711);
  const stack = new AsyncDisposableStackLike();
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  try {
    const password = () => randomBytes(32).toString('hex');
    const [postgres, redis] = await Promise.all([
      startPostgres({
        dir: path.join(dir, 'postgres'),
        password: password(),
        logFile: path.join(dir, 'postgres.log'),
        durable: false,
      }).then((started) => stack.use(started)),
      startRedis({
        dir: path.join(dir, 'redis'),
        // Kept between runs: a download per run would be slow.
        toolsDir: path.resolve(import.meta.dirname, '../../../data/tools'),
        password: password(),
        logFile: path.join(dir, 'redis.log'),
        durable: false,
        say: (line) => process.stderr.write(`${line}\n`),
      }).then((started) => stack.use(started)),
    ]);
    return {
      databaseUrl: postgres.url('postgres'),
      redisUrl: redis.url,
      dir,
      [Symbol.asyncDispose]: () => stack.dispose(),
    };
  } catch (error) {
    await stack.dispose();
    throw error;
  }
}

/** Node 20 has the symbols of explicit resource management, not yet its stack. */
class AsyncDisposableStackLike {
  readonly #steps: (() => Promise<void>)[] = [];
  defer(step: () => Promise<void>): void {
    this.#steps.push(step);
  }
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(async () => resource[Symbol.asyncDispose]());
    return resource;
  }
  async dispose(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

interface Shared {
  users: number;
  services: Promise<TestServices>;
}
const KEY = Symbol.for('blyan.test-services');
const holder = globalThis as { [KEY]?: Shared };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  holder[KEY] ??= { users: 0, services: startTestServices() };
  const shared = holder[KEY];
  shared.users++;
  const services = await shared.services;
  project.provide('databaseUrl', services.databaseUrl);
  project.provide('redisUrl', services.redisUrl);
  return async () => {
    if (--shared.users > 0) return;
    delete holder[KEY];
    await services[Symbol.asyncDispose]();
  };
}
