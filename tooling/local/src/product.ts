/** Starts the whole product as `npm start` does, for tests and benchmarks, and can break its parts. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './ports.ts';
import { signal as send, waitForExit } from './processes.ts';
import { readRunFile } from './start-lock.ts';

export const ROOT = path.resolve(import.meta.dirname, '../../..');

export interface ProductOptions {
  dataDir: string;
  /** Default: a free one. */
  port?: number;
  env?: NodeJS.ProcessEnv;
  /** A first start builds and imports. */
  timeoutMs?: number;
}

export type PartName = 'start' | 'web' | 'coordinator' | 'worker' | 'redis' | 'postgres';

export interface Product extends AsyncDisposable {
  url: string;
  port: number;
  /** From the call until the first answer was possible. */
  startedInMs: number;
  /** What it printed so far. */
  output(): string;
  /** Current process numbers; a part that was restarted has a new one. */
  pids(): Promise<Record<string, number>>;
  kill(part: PartName, signal?: NodeJS.Signals): Promise<void>;
  exited: Promise<number | null>;
  /** Ctrl-C, and waits until it has ended. */
  stop(): Promise<number | null>;
}

const STOP_TIMEOUT_MS = 60_000;

/** Runs `npm start`'s program to its end or until it is ready; for starts that are to fail, too. */
export function launch(o: { dataDir: string; port: number; env?: NodeJS.ProcessEnv }): {
  child: ChildProcess;
  output: () => string;
  exited: Promise<number | null>;
} {
  const child = spawn(process.execPath, ['tooling/local/bootstrap.mjs', 'start'], {
    cwd: ROOT,
    env: {
      ...process.env,
      // Vitest's own; a production build must not see it.
      NODE_ENV: undefined,
      VITEST: undefined,
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      ...o.env,
      BLYAN_DATA_DIR: o.dataDir,
      PORT: String(o.port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, output: () => text, exited };
}

export async function startProduct(o: ProductOptions): Promise<Product> {
  const began = Date.now();
  const port = o.port ?? (await freePort());
  const { child, output, exited } = launch({ ...o, port });
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const deadline = began + (o.timeoutMs ?? 600_000);
  let ready = false;
  while (!ready) {
    const run = await readRunFile(o.dataDir);
    ready = run?.ready === true && run.pid === child.pid;
    if (ended || Date.now() > deadline) {
      child.kill('SIGTERM');
      await exited;
      throw new Error(`the product did not start:\n${output()}`);
    }
    // After the last round, too: what was written before it called itself ready is read by then.
    await sleep(50);
  }
  const startedInMs = Date.now() - began;
  const stop = async () => {
    if (!ended) {
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(late);
    }
    return exited;
  };
  const pids = async () => {
    const run = await readRunFile(o.dataDir);
    const found: Record<string, number> = { start: child.pid as number };
    for (const [name, { pid }] of Object.entries(run?.parts ?? {})) found[name] = pid;
    return found;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    startedInMs,
    output,
    pids,
    exited,
    async kill(part, name = 'SIGKILL') {
      const pid = (await pids())[part];
      if (!pid) throw new Error(`${part} is not running`);
      send(pid, name);
      if (name === 'SIGKILL') await waitForExit([pid], 5_000);
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
