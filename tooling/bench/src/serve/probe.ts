/** Asks the probes in the product's processes (probe.cjs). */
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

interface Memory {
  heapUsed: number;
  rss: number;
  external: number;
}
interface LoopDelay {
  p50: number;
  p99: number;
  max: number;
}

export interface Probe {
  /** Bytes, behind a forced full garbage collection. */
  memory(): Promise<Memory>;
  watchLoop(): Promise<void>;
  /** Milliseconds since `watchLoop`. */
  loopDelay(): Promise<LoopDelay>;
  startProfile(): Promise<void>;
  writeProfile(file: string): Promise<void>;
}

export interface Probes {
  /** For `startProduct`: has its processes load the probe. */
  env: NodeJS.ProcessEnv;
  of(pid: number): Probe;
}

export async function makeProbes(): Promise<Probes> {
  const directory = await mkdtemp(join(tmpdir(), 'blyan-probes-'));
  return {
    env: {
      BLYAN_BENCH_PROBES: directory,
      // In quotes: the path may have a space.
      NODE_OPTIONS: `--require=${JSON.stringify(join(import.meta.dirname, 'probe.cjs'))}`,
    },
    of(pid) {
      const ask = async (path: string) => {
        const asked = request({ socketPath: join(directory, `${pid}.sock`), path }).end();
        const [response] = (await once(asked, 'response')) as [IncomingMessage];
        const body = await text(response);
        if (response.statusCode !== 200) throw new Error(`probe ${path}: ${body}`);
        return body;
      };
      return {
        memory: async () => JSON.parse(await ask('/heap')),
        watchLoop: async () => void (await ask('/delay/start')),
        loopDelay: async () => JSON.parse(await ask('/delay/stop')),
        startProfile: async () => void (await ask('/profile/start')),
        writeProfile: async (file) => writeFile(file, await ask('/profile/stop')),
      };
    },
  };
}
