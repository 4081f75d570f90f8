/** Memory of a process while something runs in it: before, at most, after. */
import { readFile } from 'node:fs/promises';

export interface Memory {
  before: number;
  peak: number;
  after: number;
}

const EVERY_MS = 50;

/**
 * @param read bytes that are in use now
 * @param settle lets go of what is not needed any more, before the first and the last reading
 */
export async function sampleMemory(
  read: () => Promise<number>,
  settle: () => Promise<void>,
  work: () => Promise<void>,
): Promise<Memory> {
  await settle();
  const before = await read();
  let peak = before;
  const running = new AbortController();
  const sampling = (async () => {
    while (!running.signal.aborted) {
      peak = Math.max(peak, await read());
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  try {
    await work();
  } finally {
    running.abort();
    await sampling;
  }
  await settle();
  return { before, peak, after: await read() };
}

/** Resident bytes of a process, 0 when it is gone. Linux. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
}
