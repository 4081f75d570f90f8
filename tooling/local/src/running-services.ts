/** Where commands find the servers of a running `npm start`. */
import type { LocalEnv } from './env.ts';
import { POSTGRES_USER } from './postgres.ts';
import { readServices } from './secrets.ts';
import { DATABASE, type Services } from './services.ts';
import { isRunning, readRunFile } from './start-lock.ts';

/** Of the `npm start` that runs on this data directory; null when none does. */
export async function runningServices(env: LocalEnv): Promise<Services | null> {
  const run = await readRunFile(env.dataDir);
  const parts = Object.values(run?.parts ?? {});
  const alive = (await Promise.all(parts.map(isRunning))).some(Boolean);
  if (!alive) return null;
  const { postgres, redis } = await readServices(env.dataDir);
  return {
    databaseUrl:
      env.databaseUrl ??
      `postgresql://${POSTGRES_USER}:${postgres.password}@127.0.0.1:${postgres.port}/${DATABASE}`,
    redisUrl: env.redisUrl ?? `redis://:${redis.password}@127.0.0.1:${redis.port}/0`,
  };
}
