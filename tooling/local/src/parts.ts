/** Our three parts: what they run and which variables each may see. */
import path from 'node:path';
import type { LocalEnv } from './env.ts';
import { localUrl } from './env.ts';
import { type PartProcess, startPart } from './part-process.ts';
import type { PartSpec } from './supervise.ts';

export interface PartsContext {
  root: string;
  env: LocalEnv;
  databaseUrl: string;
  redisUrl: string;
  apiKey: string;
  authSecret: string;
  /** Hash of chain A's first block, hexadecimal. */
  genesis: string;
  logs: string;
  say: (line: string) => void;
}

const DRAIN_MS = 10_000;

/** What any process needs from the machine. */
const BASE =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SystemRoot|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|LD_LIBRARY_PATH|(https?|no|all)_proxy|CUDA_\w+|NVIDIA_\w+|VK_\w+|XDG_\w+)$/i;

/** The machine's variables and the `BLYAN_` ones; secrets and addresses are added by name. */
export function baseEnv(source: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(source).filter(
    ([name]) => BASE.test(name) || name.startsWith('BLYAN_'),
  );
  return {
    ...Object.fromEntries(kept),
    NODE_ENV: 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  };
}

/** For the parts that we trust: the database's address is among it. */
export function trustedEnv(
  c: Pick<PartsContext, 'env' | 'databaseUrl' | 'redisUrl'>,
): NodeJS.ProcessEnv {
  return {
    ...baseEnv(c.env.source),
    DATABASE_URL: c.databaseUrl,
    REDIS_URL: c.redisUrl,
    ...nodeRedisEnv(c.env.source),
    PORT: String(c.env.port),
    HOST: c.env.host,
    BLYAN_DATA_DIR: c.env.dataDir,
    BLYAN_BLOB_DIR: c.env.blobDir,
  };
}

/** Where the traffic of workers is, when it has a Redis of its own. */
const nodeRedisEnv = (source: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(source).filter(([name]) => name.startsWith('NODE_REDIS_')));

/** For the import alone: nobody else talks to a hub, or has a use for its token. */
export const hubEnv = (source: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(source).filter(([name]) => name.startsWith('HF_')));

const app = (root: string, name: string) => path.join(root, 'apps', name);

const partOf = (c: PartsContext, name: string) => ({
  name,
  logFile: path.join(c.logs, `${name}.log`),
});

/** Several may run: one leads. */
export const coordinatorPart = (c: PartsContext, name = 'coordinator'): PartProcess => ({
  ...partOf(c, name),
  args: [path.join(app(c.root, 'coordinator'), 'dist', 'main.js')],
  cwd: c.root,
  env: { ...trustedEnv(c), BLYAN_API_KEY: c.apiKey },
  drainMs: DRAIN_MS,
});

/** @param env variables of this worker alone */
export const workerPart = (
  c: PartsContext,
  name = 'worker',
  env: NodeJS.ProcessEnv = {},
): PartProcess => ({
  ...partOf(c, name),
  args: [path.join(app(c.root, 'worker'), 'dist', 'main.js')],
  cwd: c.root,
  // Somebody else's computer, in principle: no database, and Redis as the main node hands it out.
  env: {
    ...baseEnv(c.env.source),
    BLYAN_DATA_DIR: c.env.dataDir,
    BLYAN_BLOB_DIR: c.env.blobDir,
    // Those are the main node's own weights: no bound of a worker's makes room among them.
    BLYAN_WORKER_DISK_MB: '0',
    BLYAN_API_KEY: c.apiKey,
    BLYAN_GENESIS: c.genesis,
    BLYAN_MAIN_URL: localUrl(c.env),
    ...env,
  },
  drainMs: DRAIN_MS,
});

/** In the order of starting; the order of stopping is in stop.ts. */
export function partSpecs(c: PartsContext): PartSpec[] {
  const processes: PartProcess[] = [
    coordinatorPart(c),
    {
      ...partOf(c, 'web'),
      args: [path.join(app(c.root, 'web'), 'dist', 'main.js')],
      cwd: app(c.root, 'web'),
      // Not a BLYAN_ name: those go to the worker too.
      env: { ...trustedEnv(c), BLYAN_API_KEY: c.apiKey, BETTER_AUTH_SECRET: c.authSecret },
      // It finishes open answers for up to 8 s; then it still has to close.
      drainMs: DRAIN_MS,
    },
    workerPart(c),
  ];
  return processes.map((p) => ({ name: p.name, start: () => startPart(p, c.say) }));
}
