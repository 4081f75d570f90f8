/** The environment of the web app, read and checked once. The only reader of `process.env` here. */
import path from 'node:path';
import { z } from 'zod';

const url = (example: string, protocols: RegExp) =>
  z.url({ protocol: protocols, error: `expected an address like ${example}` });

const Env = z.object({
  DATABASE_URL: url('postgresql://blyan:secret@127.0.0.1:5432/blyan', /^postgres(ql)?$/),
  REDIS_URL: url('redis://:secret@127.0.0.1:6379', /^rediss?$/),
  /** A Redis of its own for the traffic of nodes, with the right to make users. */
  NODE_REDIS_URL: url('rediss://:secret@127.0.0.1:6380', /^rediss?$/).optional(),
  /** The same as nodes reach it, when that is another address. */
  NODE_REDIS_PUBLIC_URL: url('rediss://nodes.example.org:6380', /^rediss?$/).optional(),
  NODE_REDIS_CA: z.string().min(1).optional(),
  BLYAN_DATA_DIR: z.string().min(1).default('./data'),
  BLYAN_BLOB_DIR: z.string().min(1).optional(),
  BLYAN_API_KEY: z
    .string()
    .min(16, 'expected at least 16 characters, for example from: openssl rand -hex 32')
    .optional(),
  BLYAN_MODEL: z.string().min(1).optional(),
  BLYAN_REQUEST_TIMEOUT_S: z.coerce
    .number({ error: 'expected seconds, for example 300' })
    .int()
    .min(1)
    .max(86_400)
    .default(300),
  BLYAN_DEFAULT_MAX_TOKENS: z.coerce
    .number({ error: 'expected a number of tokens, for example 1024' })
    .int()
    .min(1)
    .default(1024),
  BLYAN_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      error: 'expected one of trace, debug, info, warn, error, silent',
    })
    .default('info'),
});

export interface Config {
  databaseUrl: string;
  redisUrl: string;
  nodeRedisUrl: string;
  /** As nodes reach it; they get a user and a password of their own. */
  nodeRedisPublicUrl: string;
  /** File with the certificate of who signed that server's, PEM. */
  nodeRedisCaFile: string | null;
  blobDir: string;
  /** Null: nodes cannot register. */
  apiKey: string | null;
  /** Name of the model to serve; null: the newest one that is not retired. */
  modelName: string | null;
  requestTimeoutMs: number;
  /** Length of an answer when the request names none and the context has room for more. */
  defaultMaxTokens: number;
  logLevel: string;
}

/** @throws Error with one line a wrong variable. Empty variables count as absent. */
export function readConfig(source: Record<string, string | undefined>): Config {
  const present = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = Env.safeParse(present);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = issue.path.join('.');
      const value = present[name] === undefined ? 'is not set' : 'is wrong';
      return `${name} ${value}: ${issue.message}`;
    });
    throw new Error(lines.join('\n'));
  }
  const env = parsed.data;
  return {
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    nodeRedisUrl: env.NODE_REDIS_URL ?? env.REDIS_URL,
    nodeRedisPublicUrl: env.NODE_REDIS_PUBLIC_URL ?? env.NODE_REDIS_URL ?? env.REDIS_URL,
    nodeRedisCaFile: env.NODE_REDIS_CA ?? null,
    blobDir: path.resolve(
      // Else the bundler takes every file of the project for part of the server.
      /* turbopackIgnore: true */ env.BLYAN_BLOB_DIR ?? path.join(env.BLYAN_DATA_DIR, 'blobs'),
    ),
    apiKey: env.BLYAN_API_KEY ?? null,
    modelName: env.BLYAN_MODEL ?? null,
    requestTimeoutMs: env.BLYAN_REQUEST_TIMEOUT_S * 1000,
    defaultMaxTokens: env.BLYAN_DEFAULT_MAX_TOKENS,
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}

export const readEnvironment = (): Config => readConfig(process.env);

/** Set by the framework: `next dev`, whose scripts need eval. */
export const isDevelopment = process.env.NODE_ENV === 'development';
