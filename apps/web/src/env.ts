/** The environment of the web app, read and checked once. The only reader of `process.env` here. */
import path from 'node:path';
import { z } from 'zod';
import { type Network, parseNetwork } from './door/address.ts';
import { hostnameOf } from './door/hosts.ts';

const url = (example: string, protocols: RegExp) =>
  z.url({ protocol: protocols, error: `expected an address like ${example}` });

/** Values between commas, each checked and turned into what `read` makes of it. */
const list = <T>(read: (value: string) => T, error: string) =>
  z
    .string()
    .default('')
    .transform((text, ctx) => {
      const values = text.split(',').map((value) => value.trim());
      try {
        return values.filter((value) => value !== '').map(read);
      } catch {
        ctx.addIssue({ code: 'custom', message: error });
        return z.NEVER;
      }
    });

function readHost(value: string): string {
  if (value !== '*' && hostnameOf(value.replace(/^\*\./, '')) !== value.replace(/^\*\./, ''))
    throw new RangeError(value);
  return value;
}

function readOrigin(value: string): string {
  if (value !== '*' && new URL(value).origin !== value) throw new RangeError(value);
  return value;
}

/** 0 is no limit. */
const perMinute = (fallback: number) =>
  z.coerce
    .number({ error: `expected a number, 0 for no limit, for example ${fallback}` })
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(fallback);

const Env = z.object({
  PORT: z.coerce
    .number({ error: 'expected a port, for example 8000' })
    .int()
    .min(1)
    .max(65_535)
    .default(8000),
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Where people reach this server, when that is another address. */
  BLYAN_PUBLIC_URL: url('https://blyan.example.org', /^https?$/).optional(),
  BLYAN_ALLOWED_HOSTS: list(readHost, 'expected names like blyan.example.org, *.example.org'),
  BLYAN_CORS_ORIGINS: list(readOrigin, 'expected origins like https://app.example.org, or *'),
  BLYAN_TRUSTED_PROXIES: list(parseNetwork, 'expected networks like 10.0.0.0/8, 127.0.0.1'),
  // A hundred clients at one address, each with an answer a second of 1600 tokens at most.
  BLYAN_REQUESTS_PER_MINUTE: perMinute(6000),
  BLYAN_TOKENS_PER_MINUTE: perMinute(10_000_000),
  BLYAN_MAX_WAITING: z.coerce
    .number({ error: 'expected a number of requests, for example 256' })
    .int()
    .min(1)
    .max(100_000)
    .default(256),
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
  /** Of sessions and second factors of admins. */
  BETTER_AUTH_SECRET: z
    .string()
    .min(32, 'expected at least 32 characters, for example from: openssl rand -hex 32')
    .optional(),
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
  port: number;
  /** Address or name to listen on. */
  host: string;
  publicUrl: string | null;
  allowedHosts: string[];
  corsOrigins: string[];
  trustedProxies: Network[];
  /** For each address without a key; 0 is no limit. */
  requestsPerMinute: number;
  tokensPerMinute: number;
  /** Requests that may wait for a worker at a time. */
  maxWaiting: number;
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
  /** Null: nobody can sign in to /admin. */
  authSecret: string | null;
  /** Origin under which browsers reach this server, where a proxy makes it another one. */
  publicOrigin: string | null;
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
    port: env.PORT,
    host: env.HOST,
    publicUrl: env.BLYAN_PUBLIC_URL ?? null,
    allowedHosts: env.BLYAN_ALLOWED_HOSTS,
    corsOrigins: env.BLYAN_CORS_ORIGINS,
    trustedProxies: env.BLYAN_TRUSTED_PROXIES,
    requestsPerMinute: env.BLYAN_REQUESTS_PER_MINUTE,
    tokensPerMinute: env.BLYAN_TOKENS_PER_MINUTE,
    maxWaiting: env.BLYAN_MAX_WAITING,
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
    authSecret: env.BETTER_AUTH_SECRET ?? null,
    publicOrigin: env.BLYAN_PUBLIC_URL ? new URL(env.BLYAN_PUBLIC_URL).origin : null,
    retentionHours: env.BLYAN_RETENTION_H,
    conversationRetentionDays: env.BLYAN_CONVERSATION_RETENTION_D,
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}

export const readEnvironment = (): Config => readConfig(process.env);

/** Set by the framework: `next dev`, whose scripts need eval. */
export const isDevelopment = process.env.NODE_ENV === 'development';
