import type { Env } from './env.ts';

export interface Config {
  databaseUrl: string;
  redisUrl: string;
  blobDir: string;
  /** Name of the model that workers are to hold; null: the newest that is not retired. */
  model: string | null;
  /** Ended requests, their text and their streams are deleted after this time. */
  retentionMs: number;
  logLevel: string;
}

export function toConfig(env: Env): Config {
  return {
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    blobDir: env.BLYAN_BLOB_DIR,
    model: env.BLYAN_MODEL ?? null,
    // Hours may be fractions; Redis takes whole milliseconds.
    retentionMs: Math.ceil(env.BLYAN_RETENTION_H * 3600_000),
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}
