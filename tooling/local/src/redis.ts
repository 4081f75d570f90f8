/** A private Redis: loopback port, password, append-only file, no eviction (BullMQ's jobs must stay). */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LocalError } from './errors.ts';
import { freePort } from './ports.ts';
import { processesIn, signal, waitForExit } from './processes.ts';
import { dockerImage, findRedis, type RedisBinary } from './redis-binary.ts';
import { type Service, spawnService } from './spawn-service.ts';

const HOST = '127.0.0.1';
const PROGRAM = /^(redis|valkey)/;
/** Loading a large append-only file. */
const START_TIMEOUT_MS = 60_000;
const STOP_STEPS = [
  { signal: 'SIGTERM', waitMs: 15_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] satisfies { signal: NodeJS.Signals; waitMs: number }[];

export interface RedisOptions {
  dir: string;
  /** Where a downloaded Redis is unpacked. */
  toolsDir: string;
  password: string;
  preferredPort?: number;
  logFile: string;
  /** False for tests: nothing on disk. */
  durable: boolean;
  /** Files in PEM: then it speaks TLS only. */
  tls?: { certFile: string; keyFile: string; caFile: string };
  say?: (line: string) => void;
}

export interface RunningRedis extends AsyncDisposable {
  port: number;
  pid: number;
  exited: Service['exited'];
  url: string;
  version: string;
  stop(): Promise<void>;
}

const configuration = (o: RedisOptions, port: number, dir: string, bind: string) =>
  [
    `bind ${bind}`,
    ...(o.tls
      ? [
          'port 0',
          `tls-port ${port}`,
          `tls-cert-file "${o.tls.certFile}"`,
          `tls-key-file "${o.tls.keyFile}"`,
          `tls-ca-cert-file "${o.tls.caFile}"`,
          // Nodes have passwords, not certificates.
          'tls-auth-clients no',
        ]
      : [`port ${port}`]),
    // One value of a client; a prompt of the longest context is half of that as JSON.
    'proto-max-bulk-len 16mb',
    // Commands of one client that wait to be read whole.
    'client-query-buffer-limit 64mb',
    'protected-mode yes',
    `requirepass ${o.password}`,
    `dir "${dir}"`,
    'daemonize no',
    'maxmemory-policy noeviction',
    'save ""',
    ...(o.durable ? ['appendonly yes', 'appendfsync everysec'] : ['appendonly no']),
    '',
  ].join('\n');

/** Asks once; null while nobody answers, false when somebody answers who does not know our password. */
async function ping(port: number, { password, tls }: RedisOptions): Promise<boolean | null> {
  const client = new Redis({
    host: HOST,
    port,
    password,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 1_000,
    enableReadyCheck: false,
    // Whoever knows the password is ours.
    ...(tls && { tls: { rejectUnauthorized: false } }),
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch (error) {
    return /WRONGPASS|NOAUTH|invalid password/.test((error as Error).message) ? false : null;
  } finally {
    client.disconnect();
  }
}

async function shutDown(port: number, password: string): Promise<void> {
  const client = new Redis({ host: HOST, port, password, retryStrategy: () => null });
  client.on('error', () => undefined);
  // It closes the connection instead of an answer.
  await client.shutdown().catch(() => undefined);
  client.disconnect();
}

async function stopLeftover(o: RedisOptions, say: (line: string) => void): Promise<void> {
  const found = await processesIn(o.dir, PROGRAM);
  // Only a server of ours knows a password of 256 random bits.
  const answers = o.preferredPort ? await ping(o.preferredPort, o) : null;
  if (found.length === 0 && !answers) return;
  say('stopping a Redis that an earlier run left behind');
  for (const pid of found) signal(pid, 'SIGTERM');
  if (found.length === 0 && o.preferredPort) await shutDown(o.preferredPort, o.password);
  if (await waitForExit(found, 15_000)) return;
  for (const pid of found) signal(pid, 'SIGKILL');
  await waitForExit(found, 5_000);
}

export async function startRedis(o: RedisOptions): Promise<RunningRedis> {
  const say = o.say ?? (() => undefined);
  await mkdir(o.dir, { recursive: true, mode: 0o700 });
  await stopLeftover(o, say);
  const binary = await findRedis({ toolsDir: o.toolsDir, say });
  const port = await freePort(HOST, o.preferredPort);
  const config = path.join(o.dir, 'redis.conf');
  const inDocker = binary.kind === 'docker';
  await rm(config, { force: true });
  await writeFile(
    config,
    configuration(o, port, inDocker ? '/data' : o.dir, inDocker ? '0.0.0.0' : HOST),
    // The image's redis user is not us: it reads through the mount, which only we can reach.
    { mode: inDocker ? 0o644 : 0o600 },
  );
  const service = await spawnService(spec(binary, o, port, config));
  const stop = () => service.stop(STOP_STEPS);
  let ended = false;
  void service.exited.then(() => {
    ended = true;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await ping(port, o))) {
    if (ended || Date.now() > deadline) {
      await stop();
      const log = await readFile(o.logFile, 'utf8').catch(() => '');
      throw new LocalError(
        'REDIS_FAILED',
        `Redis did not start (${log.trimEnd().split('\n').at(-1)?.trim()}): see ${o.logFile}.`,
      );
    }
    await sleep(20);
  }
  return {
    port,
    pid: service.pid,
    exited: service.exited,
    url: `${o.tls ? 'rediss' : 'redis'}://:${encodeURIComponent(o.password)}@${HOST}:${port}/0`,
    version: binary.version,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function spec(binary: RedisBinary, o: RedisOptions, port: number, config: string) {
  const common = { logFile: o.logFile, deathSignal: 'TERM' as const };
  if (binary.kind === 'program') {
    // env(1) keeps the library path out of our own environment.
    return binary.libraryPath
      ? {
          ...common,
          command: 'env',
          args: [`LD_LIBRARY_PATH=${binary.libraryPath}`, binary.command, config],
        }
      : { ...common, command: binary.command, args: [config] };
  }
  const user = process.getuid ? ['--user', `${process.getuid()}:${process.getgid?.()}`] : [];
  return {
    ...common,
    command: binary.command,
    args: [
      ...['run', '--rm', '--init', ...user, '-p', `${HOST}:${port}:${port}`],
      ...['-v', `${o.dir}:/data`, dockerImage, 'redis-server', '/data/redis.conf'],
    ],
  };
}

/** The version of a Redis of somebody else, when it answers. Valkey names Redis's that it is like. */
export async function checkRedis(url: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.info('server')).match(/^redis_version:(\S+)/m)?.[1] ?? 'unknown';
  } finally {
    client.disconnect();
  }
}
