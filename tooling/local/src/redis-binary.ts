/**
 * Finds a Redis (7.0 or later: XADD with an id `n-*`, whose second part the server counts) in the order:
 * the PATH; a copy that we unpacked before; the distribution's package, downloaded and unpacked
 * under the data directory (needs no root); Homebrew's; Docker's image.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { LocalError } from './errors.ts';

const run = promisify(execFile);

/** [major, minor] */
const MINIMUM = [7, 0] as const;
export const MINIMUM_REDIS = MINIMUM.join('.');
const APT_TIMEOUT_MS = 300_000;
/** Debian's package with the binary that runs as `redis-server` too. */
const PACKAGE = 'redis-tools';
const DOCKER_IMAGE = 'redis:7-alpine';

export interface RedisBinary {
  kind: 'program' | 'docker';
  /** Program and arguments before the configuration file. */
  command: string;
  version: string;
  /** Where its shared libraries are, when the package was unpacked. */
  libraryPath?: string;
}

export interface FindOptions {
  toolsDir: string;
  say: (line: string) => void;
  /** Where to look for programs; default: the PATH. */
  searchPath?: string;
}

/** @param version e.g. 7.0.15 */
export function isEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

async function probe(command: string, libraryPath?: string): Promise<RedisBinary | null> {
  try {
    const env = libraryPath ? { ...process.env, LD_LIBRARY_PATH: libraryPath } : process.env;
    const { stdout } = await run(command, ['--version'], { env });
    const version = stdout.match(/v=(\d+\.\d+\.\d+)/)?.[1];
    if (!version) return null;
    return isEnough(version) ? { kind: 'program', command, version, libraryPath } : null;
  } catch {
    return null;
  }
}

function onPath(name: string, searchPath = process.env.PATH ?? ''): string | null {
  for (const dir of searchPath.split(path.delimiter)) {
    if (dir && existsSync(path.join(dir, name))) return path.join(dir, name);
  }
  return null;
}

const unpackedDir = (toolsDir: string) => path.join(toolsDir, 'redis');

async function probeUnpacked(toolsDir: string): Promise<RedisBinary | null> {
  const root = unpackedDir(toolsDir);
  const lib = path.join(root, 'usr', 'lib');
  if (!existsSync(lib)) return null;
  const triplets = (await readdir(lib)).filter((name) => name.includes('-linux-'));
  const libraryPath = [...triplets.map((name) => path.join(lib, name)), lib].join(':');
  const command = path.join(root, 'usr', 'bin', 'redis-server');
  return existsSync(command) ? probe(command, libraryPath) : null;
}

/** apt with its lists and cache under our directory, so that neither root nor `apt-get update` is needed. */
async function unpackPackage(o: FindOptions): Promise<RedisBinary | null> {
  if (!onPath('apt-get', o.searchPath) || !onPath('dpkg-deb', o.searchPath)) return null;
  const apt = path.join(o.toolsDir, 'apt');
  const fresh = `${unpackedDir(o.toolsDir)}.new`;
  await rm(fresh, { recursive: true, force: true });
  for (const dir of ['lists/partial', 'cache/archives/partial', 'debs']) {
    await mkdir(path.join(apt, dir), { recursive: true });
  }
  const options = [
    '-qq',
    ...['-o', `Dir::State::Lists=${path.join(apt, 'lists')}`],
    ...['-o', `Dir::Cache=${path.join(apt, 'cache')}`],
    ...['-o', 'APT::Sandbox::User='],
    ...['-o', 'Acquire::Languages=none'],
    ...['-o', 'Acquire::Retries=2'],
  ];
  const cwd = path.join(apt, 'debs');
  try {
    o.say("Redis is not installed: downloading the distribution's package (no root needed)");
    await run('apt-get', [...options, 'update'], { cwd, timeout: APT_TIMEOUT_MS });
    const { stdout } = await run('apt-cache', [...options, 'depends', PACKAGE], { cwd });
    // The C library is the machine's; a copy of another version would not work with its loader.
    const libraries = [...stdout.matchAll(/^\s+Depends: (lib[\w.+-]+)$/gm)]
      .map((match) => match[1] ?? '')
      .filter((name) => name && name !== 'libc6');
    await run('apt-get', [...options, 'download', PACKAGE, ...libraries], {
      cwd,
      timeout: APT_TIMEOUT_MS,
    });
    for (const deb of (await readdir(cwd)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg-deb', ['-x', path.join(cwd, deb), fresh]);
    }
    const bin = path.join(fresh, 'usr', 'bin');
    // The program looks at its own name to know what it is.
    if (!existsSync(path.join(bin, 'redis-server'))) {
      await copyFile(path.join(bin, 'redis-check-rdb'), path.join(bin, 'redis-server'));
    }
    await rm(unpackedDir(o.toolsDir), { recursive: true, force: true });
    await rename(fresh, unpackedDir(o.toolsDir));
    return await probeUnpacked(o.toolsDir);
  } catch {
    return null;
  } finally {
    await rm(apt, { recursive: true, force: true });
    await rm(fresh, { recursive: true, force: true });
  }
}

async function fromHomebrew(o: FindOptions): Promise<RedisBinary | null> {
  const brew = onPath('brew', o.searchPath);
  if (!brew) return null;
  try {
    o.say('Redis is not installed: `brew install redis`');
    await run(brew, ['install', 'redis'], { timeout: APT_TIMEOUT_MS });
    const { stdout } = await run(brew, ['--prefix', 'redis']);
    return await probe(path.join(stdout.trim(), 'bin', 'redis-server'));
  } catch {
    return null;
  }
}

async function fromDocker(o: FindOptions): Promise<RedisBinary | null> {
  const docker = onPath('docker', o.searchPath);
  if (!docker) return null;
  try {
    await run(docker, ['info'], { timeout: 10_000 });
    o.say(`Redis is not installed: using Docker's ${DOCKER_IMAGE}`);
    await run(docker, ['pull', '--quiet', DOCKER_IMAGE], { timeout: APT_TIMEOUT_MS });
    return { kind: 'docker', command: docker, version: DOCKER_IMAGE };
  } catch {
    return null;
  }
}

export async function findRedis(o: FindOptions): Promise<RedisBinary> {
  for (const name of ['redis-server', 'valkey-server']) {
    const found = onPath(name, o.searchPath);
    const usable = found ? await probe(found) : null;
    if (usable) return usable;
    if (found) o.say(`${found} is older than ${MINIMUM_REDIS}: looking for another Redis`);
  }
  const found =
    (await probeUnpacked(o.toolsDir)) ??
    (await unpackPackage(o)) ??
    (await fromHomebrew(o)) ??
    (await fromDocker(o));
  if (found) return found;
  throw new LocalError(
    'REDIS_MISSING',
    `Redis ${MINIMUM_REDIS} or later is needed and could not be found or fetched: ${installHint(o.searchPath)}, or set REDIS_URL.`,
  );
}

function installHint(searchPath?: string): string {
  if (process.platform === 'darwin') return 'run `brew install redis`';
  for (const [tool, command] of [
    ['apt-get', 'sudo apt-get install -y redis-server'],
    ['dnf', 'sudo dnf install -y redis'],
    ['apk', 'sudo apk add redis'],
    ['pacman', 'sudo pacman -S redis'],
    ['zypper', 'sudo zypper install -y redis'],
  ] as const) {
    if (onPath(tool, searchPath)) return `run \`${command}\``;
  }
  return 'install redis-server from https://redis.io/docs/latest/operate/oss_and_stack/install/';
}

export const dockerImage = DOCKER_IMAGE;
