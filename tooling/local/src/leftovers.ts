/**
 * Parts of a run that was killed. They notice and stop by themselves, but take a moment to finish
 * their work: the next start must not find the port in use meanwhile.
 */
import { waitForExit } from './processes.ts';
import { isRunning, readRunFile } from './start-lock.ts';

const DRAIN_MS = 6_000;
/** Stopped by their own rules, which know about data (see postgres.ts, redis.ts). */
const SERVERS = new Set(['postgres', 'redis']);

export async function stopLeftoverParts(
  dataDir: string,
  say: (line: string) => void,
): Promise<void> {
  const run = await readRunFile(dataDir);
  const alive: number[] = [];
  for (const [name, part] of Object.entries(run?.parts ?? {})) {
    if (!SERVERS.has(name) && (await isRunning(part))) alive.push(part.pid);
  }
  if (alive.length === 0) return;
  say('waiting for parts of an earlier run to end');
  for (const pid of alive) signalGroup(pid, 'SIGTERM');
  if (await waitForExit(alive, DRAIN_MS)) return;
  for (const pid of alive) signalGroup(pid, 'SIGKILL');
  await waitForExit(alive, DRAIN_MS);
}

/** Each part leads a process group of its own. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Ended meanwhile.
  }
}
