/** `npm run check -- package-lock --fix`: puts back what npm forgot. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import {
  type LockEntry,
  type LockPackages,
  lockPath,
  missingFromLock,
  readLock,
} from './lockfile.ts';

/** What the registry says of a package; null when it does not have it. */
export type LookUp = (name: string, version: string) => Promise<LockEntry | null>;

const OS: Record<string, string> = { windows: 'win32' };
for (const name of ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd'])
  OS[name] = name;
for (const name of ['openharmony', 'sunos', 'win32']) OS[name] = name;
const CPU: Record<string, string> = { amd64: 'x64', 64: 'x64', armv7: 'arm', 386: 'ia32' };
for (const name of ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64']) CPU[name] = name;
for (const name of ['riscv64', 's390x', 'wasm32', 'x64']) CPU[name] = name;

/** The platform as the name of a binary package says it; null when it says none. */
export function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> | null {
  const words = name.split(/[-/_]/);
  const os = words.map((word) => OS[word]).find((found) => found !== undefined);
  const cpu = words.map((word) => CPU[word]).find((found) => found !== undefined);
  if (os === undefined && cpu !== 'wasm32') return null;
  const musl = words.some((word) => word.includes('musl'));
  const glibc = os === 'linux' && words.some((word) => word.startsWith('gnu'));
  return {
    ...(os && { os: [os] }),
    ...(cpu && !words.includes('universal') && { cpu: [cpu] }),
    ...((musl || glibc) && { libc: [musl ? 'musl' : 'glibc'] }),
  };
}

/**
 * Adds the missing entries, and the integrity of those that were added without one, as far as the
 * registry knows it: without, npm trusts the registry's word for that package.
 *
 * @returns what was done, and what could not be
 */
export async function completeLock(
  packages: LockPackages,
  lookUp: LookUp,
): Promise<{ done: string[]; problems: string[] }> {
  const done: string[] = [];
  const problems: string[] = [];
  for (const { where, name, range } of missingFromLock(packages)) {
    const entry: LockEntry | null = /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range)
      ? ((await lookUp(name, range)) ?? platformOf(name))
      : null;
    if (!entry) {
      problems.push(`${name}@${range} of ${where}: neither the registry nor its name tells enough`);
      continue;
    }
    const { dev, license } = packages[where] ?? {};
    packages[`node_modules/${name}`] = {
      version: range,
      ...(dev && { dev }),
      ...(license && { license }),
      optional: true,
      ...entry,
    };
    done.push(`added ${name}@${range}${entry.integrity ? '' : ', without integrity'}`);
  }
  for (const [where, entry] of Object.entries(packages)) {
    if (!entry.optional || entry.integrity || entry.link || !entry.version) continue;
    const name = where.slice(where.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (done.some((line) => line.startsWith(`added ${name}@`))) continue;
    const { integrity } = (await lookUp(name, entry.version)) ?? {};
    if (!integrity) continue;
    entry.integrity = integrity;
    done.push(`found the integrity of ${name}@${entry.version}`);
  }
  return { done, problems };
}

/** Through npm, so that its registry, proxy and keys are those of the user. */
const askRegistry: LookUp = async (name, version) => {
  const fields = ['os', 'cpu', 'libc', 'engines', 'license', 'dist.integrity'];
  try {
    const { stdout } = await promisify(execFile)(
      'npm',
      ['view', `${name}@${version}`, ...fields, '--json', '--loglevel=silent'],
      { shell: process.platform === 'win32' },
    );
    const { 'dist.integrity': integrity, ...rest } = JSON.parse(stdout) as LockEntry & {
      'dist.integrity'?: string;
    };
    return integrity ? { ...rest, integrity } : null;
  } catch {
    return null;
  }
};

export async function fixLockfile(root: string, lookUp = askRegistry): Promise<string[]> {
  const lock = readLock(root);
  const { done, problems } = await completeLock(lock.packages, lookUp);
  // The order in which npm writes them.
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries(sorted);
  if (done.length > 0) writeFileSync(lockPath(root), `${JSON.stringify(lock, null, 2)}\n`);
  for (const line of done) console.log(`  ${line}`);
  return problems;
}
