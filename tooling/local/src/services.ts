/** PostgreSQL and Redis of the data directory, unless the environment names others. */
import path from 'node:path';
import type { LocalEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { ensureDatabase, type RunningPostgres, startPostgres } from './postgres.ts';
import { checkRedis, type RunningRedis, startRedis } from './redis.ts';
import { isEnough, MINIMUM_REDIS } from './redis-binary.ts';
import type { Reporter } from './report.ts';
import { readServices, type ServicesFile, writeServices } from './secrets.ts';
import { Part, type Running, type SuperviseDeps } from './supervise.ts';

export const DATABASE = 'blyan';

export interface Services {
  databaseUrl: string;
  redisUrl: string;
}

export interface ServicesDeps extends SuperviseDeps {
  reporter: Reporter;
  /** Takes a part as soon as it may be running, so that a failed start stops it too. */
  adopt: (part: Part) => void;
}

const asRunning = (server: RunningPostgres | RunningRedis): Running => ({
  pid: server.pid,
  exited: server.exited,
  stop: () => server.stop(),
});

export async function startServices(
  env: LocalEnv,
  logs: string,
  deps: ServicesDeps,
): Promise<Services> {
  const saved = await readServices(env.dataDir);
  const remember = async (name: keyof ServicesFile, port: number) => {
    if (saved[name].port === port) return;
    saved[name].port = port;
    await writeServices(env.dataDir, saved);
  };
  const databaseUrl = env.databaseUrl
    ? await givenPostgres(env.databaseUrl)
    : await localPostgres(env, saved, logs, remember, deps);
  const redisUrl = env.redisUrl
    ? await givenRedis(env.redisUrl)
    : await localRedis(env, saved, logs, remember, deps);
  return { databaseUrl, redisUrl };
}

type Remember = (name: keyof ServicesFile, port: number) => Promise<void>;

async function localPostgres(
  env: LocalEnv,
  saved: ServicesFile,
  logs: string,
  remember: Remember,
  deps: ServicesDeps,
): Promise<string> {
  let server: RunningPostgres | undefined;
  const part = new Part(
    {
      name: 'postgres',
      async start() {
        server = await startPostgres({
          dir: path.join(env.dataDir, 'postgres'),
          password: saved.postgres.password,
          preferredPort: saved.postgres.port,
          logFile: path.join(logs, 'postgres.log'),
          durable: true,
          say: deps.say,
        });
        await remember('postgres', server.port);
        return asRunning(server);
      },
    },
    deps,
  );
  deps.adopt(part);
  await deps.reporter.step(
    'PostgreSQL',
    async () => {
      await part.start();
      if (server) await ensureDatabase(server.url('postgres'), DATABASE);
    },
    () => `PostgreSQL on port ${saved.postgres.port}`,
  );
  if (!server) throw new LocalError('POSTGRES_FAILED', 'PostgreSQL was stopped while it started.');
  return server.url(DATABASE);
}

async function localRedis(
  env: LocalEnv,
  saved: ServicesFile,
  logs: string,
  remember: Remember,
  deps: ServicesDeps,
): Promise<string> {
  let server: RunningRedis | undefined;
  const part = new Part(
    {
      name: 'redis',
      async start() {
        server = await startRedis({
          dir: path.join(env.dataDir, 'redis'),
          toolsDir: path.join(env.dataDir, 'tools'),
          password: saved.redis.password,
          preferredPort: saved.redis.port,
          logFile: path.join(logs, 'redis.log'),
          durable: true,
          say: deps.say,
        });
        await remember('redis', server.port);
        return asRunning(server);
      },
    },
    deps,
  );
  deps.adopt(part);
  await deps.reporter.step(
    'Redis',
    () => part.start(),
    () => `Redis ${server?.version} on port ${saved.redis.port}`,
  );
  if (!server) throw new LocalError('REDIS_FAILED', 'Redis was stopped while it started.');
  return server.url;
}

async function givenPostgres(url: string): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  try {
    const admin = new URL(url);
    admin.pathname = '/postgres';
    const name = decodeURIComponent(pathname.slice(1)) || DATABASE;
    // Only makes a missing database; without the right to, the migrations say what is wrong.
    await ensureDatabase(admin.href, name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNREFUSED' && code !== 'ENOTFOUND' && code !== '28P01') return url;
    throw new LocalError(
      'POSTGRES_UNAVAILABLE',
      `The PostgreSQL of DATABASE_URL (${hostname}:${port || 5432}) does not let us in (${message || code}): start it or correct the variable, or leave it out and npm start runs its own.`,
    );
  }
  return url;
}

export async function givenRedis(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const where = `The Redis of REDIS_URL (${hostname}:${port || 6379})`;
  let version: string;
  try {
    version = await checkRedis(url);
  } catch (error) {
    throw new LocalError(
      'REDIS_UNAVAILABLE',
      `${where} does not let us in (${(error as Error).message}): start it or correct the variable, or leave it out and npm start runs its own.`,
    );
  }
  if (isEnough(version)) return url;
  throw new LocalError(
    'REDIS_VERSION',
    `${where} is version ${version} and ${MINIMUM_REDIS} or later is needed: update it, or leave the variable out and npm start runs its own.`,
  );
}
