/** The variables that `npm start` reads. Each app reads and checks its own again. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { LocalError } from './errors.ts';

/** An empty value in `.env` means "not set". */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());

const urlOf = (protocols: string[]) =>
  z.string().refine((value) => {
    const url = URL.canParse(value) ? new URL(value) : null;
    return url !== null && protocols.includes(url.protocol) && url.hostname !== '';
  });

const variables = {
  PORT: {
    schema: optional(z.coerce.number().int().min(1).max(65535)),
    wants: 'a port from 1 to 65535',
    example: '8000',
  },
  HOST: {
    schema: optional(z.string().regex(/^[\w.:-]+$/)),
    wants: 'an address to listen on',
    example: '127.0.0.1',
  },
  BLYAN_DATA_DIR: { schema: optional(z.string()), wants: 'a directory', example: './data' },
  BLYAN_BLOB_DIR: { schema: optional(z.string()), wants: 'a directory', example: './data/blobs' },
  DATABASE_URL: {
    schema: optional(urlOf(['postgres:', 'postgresql:'])),
    wants: 'a PostgreSQL URL',
    example: 'postgresql://user:password@127.0.0.1:5432/blyan',
  },
  REDIS_URL: {
    schema: optional(urlOf(['redis:', 'rediss:'])),
    wants: 'a Redis URL',
    example: 'redis://:password@127.0.0.1:6379/0',
  },
  BLYAN_API_KEY: {
    schema: optional(z.string().min(16)),
    wants: 'at least 16 characters',
    example: '(leave it out: npm start makes one)',
  },
  BETTER_AUTH_SECRET: {
    schema: optional(z.string().min(32)),
    wants: 'at least 32 characters',
    example: '(leave it out: npm start makes one)',
  },
  BLYAN_PUBLIC_URL: {
    schema: optional(urlOf(['http:', 'https:'])),
    wants: 'an address of this server',
    example: 'https://blyan.example.org',
  },
  BLYAN_MODEL: {
    schema: optional(z.string().max(100)),
    wants: 'a model name',
    example: 'blyan-guide',
  },
  BLYAN_NETWORK: {
    schema: optional(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)),
    wants: 'a name of lower-case letters, digits and hyphens',
    example: 'blyan-local',
  },
} as const;

export interface LocalEnv {
  port: number;
  host: string;
  dataDir: string;
  blobDir: string;
  databaseUrl?: string;
  redisUrl?: string;
  apiKey?: string;
  authSecret?: string;
  /** Where browsers find the server, when that is not HOST and PORT. */
  publicUrl?: string;
  model?: string;
  /** Everything as it was given, `.env` included, for the parts. */
  source: NodeJS.ProcessEnv;
}

/** `.env` in the root; the real environment wins. */
export function withDotEnv(root: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  let file: string;
  try {
    file = readFileSync(path.join(root, '.env'), 'utf8');
  } catch {
    return env;
  }
  return { ...parseEnv(file), ...env };
}

export function readEnv(root: string, source: NodeJS.ProcessEnv): LocalEnv {
  const values: Record<string, unknown> = {};
  for (const [name, { schema, wants, example }] of Object.entries(variables)) {
    const parsed = schema.safeParse(source[name]);
    if (!parsed.success) {
      const shown = /KEY|URL|SECRET/.test(name) ? '' : ` and is "${source[name]}"`;
      throw new LocalError(
        'ENV_INVALID',
        `${name} must be ${wants}${shown}: for example ${name}=${example}.`,
        { name },
      );
    }
    values[name] = parsed.data;
  }
  const text = (name: keyof typeof variables) => values[name] as string | undefined;
  const dataDir = path.resolve(root, text('BLYAN_DATA_DIR') ?? 'data');
  return {
    port: (values.PORT as number | undefined) ?? 8000,
    host: text('HOST') ?? '127.0.0.1',
    dataDir,
    blobDir: path.resolve(root, text('BLYAN_BLOB_DIR') ?? path.join(dataDir, 'blobs')),
    databaseUrl: text('DATABASE_URL'),
    redisUrl: text('REDIS_URL'),
    apiKey: text('BLYAN_API_KEY'),
    authSecret: text('BETTER_AUTH_SECRET'),
    publicUrl: text('BLYAN_PUBLIC_URL')?.replace(/\/+$/, ''),
    model: text('BLYAN_MODEL'),
    source,
  };
}

/** Where a browser on this machine finds what listens on HOST. */
export function localUrl({ host, port }: { host: string; port: number }): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}
