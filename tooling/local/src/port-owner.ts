/** Who listens on a port, if that can be found out: "node (process 123)". */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { commandOf } from './processes.ts';

const run = promisify(execFile);
/** State column of /proc/net/tcp. */
const LISTEN = '0A';

async function listeningInodes(port: number): Promise<Set<string>> {
  const inodes = new Set<string>();
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(`:${hex}`) && columns[3] === LISTEN && columns[9]) {
        inodes.add(`socket:[${columns[9]}]`);
      }
    }
  }
  return inodes;
}

async function linuxOwner(port: number): Promise<number | null> {
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const descriptors = await readdir(`/proc/${entry}/fd`).catch(() => []);
    for (const fd of descriptors) {
      const target = await readlink(`/proc/${entry}/fd/${fd}`).catch(() => '');
      if (inodes.has(target)) return Number(entry);
    }
  }
  return null;
}

export async function portOwner(port: number): Promise<string | null> {
  const pid =
    process.platform === 'linux'
      ? await linuxOwner(port)
      : await run('lsof', ['-ti', `tcp:${port}`, '-s', 'tcp:listen']).then(
          ({ stdout }) => Number(stdout.split('\n')[0]) || null,
          () => null,
        );
  if (pid === null) return null;
  const command = (await commandOf(pid)) ?? '';
  return `${command.slice(0, 60) || 'a process'} (process ${pid})`;
}
