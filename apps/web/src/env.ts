/** The environment of the web app, read and checked once. The only reader of `process.env` here. */
import path from 'node:path';
import { z } from 'zod';

const url = (example: string, protocols: RegExp) =>
  z.url({ protocol: protocols, error: `expected an address like ${example}` });

const Env = z.object({
  DATABASE_URL: url('postgresql://blyan:secret@127.0.0.1:5432/blyan', /^postgres(ql)?$/),
  REDIS_URL: url('redis://:secret@127.0.0.1:6379', /^rediss?$/),
  /** Redis as the nodes reach it, when that is another address. */
  NODE_REDIS_URL: url('rediss://:secret@nodes.example.org:6380', /^rediss?$/).optional(),
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
  /** The coordinator deletes; the pages say when. */
  BLYAN_RETENTION_H: z.coerce
    .number({ error: 'expected hours, for example 24' })
    .positive()
    .max(87_600)
    .default(24),
  BLYAN_CONVERSATION_RETENTION_D: z.coerce
    .number({ error: 'expected days, for example 90' })
    .positive()
    .max(36_500)
    .default(90),
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
  blobDir: string;
  /** Null: nodes cannot register. */
  apiKey: string | null;
  /** Name of the model to serve; null: the newest one that is not retired. */
  modelName: string | null;
  requestTimeoutMs: number;
  /** Length of an answer when the request names none and the context has room for more. */
  defaultMaxTokens: number;
  /** For how long answers outside of conversations, and the streams of all, are kept. */
  retentionHours: number;
  /** After how many days without a question a conversation is deleted. */
  conversationRetentionDays: number;
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
    blobDir: path.resolve(
      // Else the bundler takes every file of the project for part of the server.
      /* turbopackIgnore: true */ env.BLYAN_BLOB_DIR ?? path.join(env.BLYAN_DATA_DIR, 'blobs'),
    ),
    apiKey: env.BLYAN_API_KEY ?? null,
    modelName: env.BLYAN_MODEL ?? null,
    requestTimeoutMs: env.BLYAN_REQUEST_TIMEOUT_S * 1000,
    defaultMaxTokens: env.BLYAN_DEFAULT_MAX_TOKENS,
    retentionHours: env.BLYAN_RETENTION_H,
    conversationRetentionDays: env.BLYAN_CONVERSATION_RETENTION_D,
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}

export const readEnvironment = (): Config => readConfig(process.env);

/** Set by the framework: `next dev`, whose scripts need eval. */
export const isDevelopment = process.env.NODE_ENV === 'development';
