/**
 * Node-llama-cpp, installed when the benchmark first needs it and not with our own packages: nobody
 * else needs it, and all of its binaries for this platform, those for GPUs included, have 700 MB.
 * Without them (`--omit=optional`; the one for CPUs is named in peer/package.json) it is 85 MB.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';

const MANIFEST_DIR = join(import.meta.dirname, '../../peer');
const FILES = ['package.json', 'package-lock.json'];
const PACKAGE = 'node-llama-cpp';

/** Returns the directory that `node_modules` is in. No script of a package runs. */
export async function installPeer(work: string, log: (line: string) => void): Promise<string> {
  const here = `${platform()}-${arch()}`;
  if (here !== 'linux-x64') {
    throw new Error(`llama.cpp is compared with on linux-x64 only; this is ${here}.`);
  }
  const dir = join(work, PACKAGE);
  const version = async (path: string) =>
    JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as {
      version?: string;
      dependencies?: Record<string, string>;
    };
  const wanted = (await version(join(MANIFEST_DIR, 'package.json'))).dependencies?.[PACKAGE];
  const found = (await version(join(dir, 'node_modules', PACKAGE, 'package.json'))).version;
  if (found === wanted) return dir;
  log(`installing ${PACKAGE} ${wanted} into ${dir}`);
  await mkdir(dir, { recursive: true });
  for (const file of FILES) await copyFile(join(MANIFEST_DIR, file), join(dir, file));
  // Not `ci`: the lock lacks the binaries for other platforms, which are left out anyway.
  const args = ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  const npm = spawn('npm', [...args, '--loglevel=error'], {
    cwd: dir,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error(`${PACKAGE} could not be installed; npm says why above.`);
  return dir;
}
