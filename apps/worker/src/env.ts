/** The only file that reads the environment. There is no database in a worker's. */
import path from 'node:path';
import { BlobUrl } from '@blyan/protocol/assignment';
import { z } from 'zod';

const Hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hex characters');
const Count = (max: number) => z.coerce.number().int().min(0).max(max);

const Listen = z
  .string()
  .regex(/^\S{1,255}:\d{1,5}$/, 'expected host:port')
  .transform((text) => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
  });
const List = (item: RegExp, problem: string) =>
  z
    .string()
    .transform((list) => list.split(',').map((each) => each.trim()))
    .pipe(z.array(z.string().regex(item, problem)).max(8))
    .default([]);

const Env = z.object({
  BLYAN_MAIN_URL: z.url({ protocol: /^https?$/ }),
  BLYAN_API_KEY: z.string().min(16),
  BLYAN_GENESIS: Hash.optional(),
  BLYAN_NODE_ID: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{2,62}$/, 'expected 3 to 63 of a-z, 0-9 and -')
    .optional(),
  BLYAN_BLOB_SOURCES: z
    .string()
    .transform((list) => list.split(',').map((url) => url.trim()))
    .pipe(z.array(z.url({ protocol: /^https?$/ })))
    .default([]),
  BLYAN_DATA_DIR: z.string().min(1).default('./data'),
  BLYAN_BLOB_DIR: z.string().min(1).optional(),
  BLYAN_WORKER_DIR: z.string().min(1).optional(),
  BLYAN_WORKER_SLOTS: Count(256).pipe(z.number().min(1)).default(8),
  BLYAN_WORKER_KV: z.enum(['f32', 'f16']).default('f32'),
  BLYAN_WORKER_KV_MB: Count(1 << 24).default(0),
  BLYAN_WORKER_THREADS: Count(1024).default(0),
  BLYAN_WORKER_DISK_MB: Count(1 << 30).default(0),
  BLYAN_WORKER_METRICS_PORT: Count(65_535).default(0),
  BLYAN_WORKER_MEMORY_MB: Count(1 << 24).default(0),
  BLYAN_WORKER_LISTEN: Listen.optional(),
  BLYAN_WORKER_ADDRESSES: List(/^[\x21-\x7e]{1,255}:\d{1,5}$/, 'expected host:port'),
  BLYAN_WORKER_SERVE: Listen.optional(),
  BLYAN_WORKER_BLOB_URL: BlobUrl.optional(),
  BLYAN_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
});

const EXAMPLES: Record<string, string> = {
  BLYAN_MAIN_URL: 'http://127.0.0.1:8000',
  BLYAN_API_KEY: 'the key that the main node gave you',
  BLYAN_GENESIS: `${'0123456789abcdef'.repeat(4)} (shown by the main node)`,
  BLYAN_NODE_ID: 'worker-1',
  BLYAN_BLOB_SOURCES: 'http://10.0.0.2:8000,http://10.0.0.3:8000',
  BLYAN_DATA_DIR: './data',
  BLYAN_BLOB_DIR: './data/blobs',
  BLYAN_WORKER_DIR: './data/worker',
  BLYAN_WORKER_SLOTS: '8',
  BLYAN_WORKER_KV: 'f32',
  BLYAN_WORKER_KV_MB: '0 (half of the free memory)',
  BLYAN_WORKER_THREADS: '0 (all cores)',
  BLYAN_WORKER_DISK_MB: '0 (what the disk has)',
  BLYAN_WORKER_METRICS_PORT: '0 (none)',
  BLYAN_WORKER_MEMORY_MB: '0 (what this machine has, less a reserve)',
  BLYAN_WORKER_LISTEN: '0.0.0.0:9400',
  BLYAN_WORKER_ADDRESSES: '10.0.0.2:9400,[fd00::2]:9400',
  BLYAN_WORKER_SERVE: '0.0.0.0:9401',
  BLYAN_WORKER_BLOB_URL: 'http://10.0.0.2:9401',
  BLYAN_LOG_LEVEL: 'info',
};

/** As it is, for the command line, whose options are laid over it. */
export const environment = (): NodeJS.ProcessEnv => process.env;

/** Ways to the data of the main node; a worker that has one is set up wrongly. */
const FORBIDDEN = ['DATABASE_URL', 'REDIS_URL', 'NODE_REDIS_URL'] as const;

/** @throws Error when this worker was given what only the main node may have */
export function refuseForbidden(env: NodeJS.ProcessEnv = process.env): void {
  const name = FORBIDDEN.find((each) => env[each]);
  if (!name) return;
  throw new Error(
    `${name} is set, and a worker must not have it: it runs apart from the main node's data. Start it with \`env -u ${name}\`, or take the variable out of its environment file.`,
  );
}

/** What the engine process gets: it needs no key. */
export function engineEnv(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const without = new Set<string>([...FORBIDDEN, 'BLYAN_API_KEY']);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !without.has(name)));
}

export type Env = ReturnType<typeof readEnv>;

/** Throws one error that names every wrong variable, with an example. */
export function readEnv(env: NodeJS.ProcessEnv = process.env) {
  // An empty variable, as an .env file has it, is one that is not set.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Env.safeParse(set);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      const problem = set[name] === undefined ? 'is not set' : `is wrong (${issue.message})`;
      return `${name} ${problem}. Example: ${name}=${EXAMPLES[name]}`;
    });
    throw new Error([...new Set(lines)].join('\n'));
  }
  const { blobDir, workerDir } = dirsOf(parsed.data);
  return { ...parsed.data, BLYAN_BLOB_DIR: blobDir, BLYAN_WORKER_DIR: workerDir };
}

interface Dirs {
  BLYAN_DATA_DIR: string;
  BLYAN_BLOB_DIR?: string | undefined;
  BLYAN_WORKER_DIR?: string | undefined;
}

function dirsOf({ BLYAN_DATA_DIR, BLYAN_BLOB_DIR, BLYAN_WORKER_DIR }: Dirs) {
  const under = (given: string | undefined, name: string) =>
    path.resolve(given ?? path.join(BLYAN_DATA_DIR, name));
  return { blobDir: under(BLYAN_BLOB_DIR, 'blobs'), workerDir: under(BLYAN_WORKER_DIR, 'worker') };
}

/** Where a worker keeps its things, for commands that need nothing else. */
export function readStateDirs(env: NodeJS.ProcessEnv = process.env) {
  return dirsOf({
    BLYAN_DATA_DIR: env.BLYAN_DATA_DIR || './data',
    BLYAN_BLOB_DIR: env.BLYAN_BLOB_DIR || undefined,
    BLYAN_WORKER_DIR: env.BLYAN_WORKER_DIR || undefined,
  });
}
