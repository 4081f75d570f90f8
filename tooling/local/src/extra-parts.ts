/** Further coordinators and workers beside those of a running product, for tests that break them. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readEnv } from './env.ts';
import { startPart } from './part-process.ts';
import { coordinatorPart, type PartsContext, workerPart } from './parts.ts';
import { POSTGRES_USER } from './postgres.ts';
import { childrenOf, signal } from './processes.ts';
import { type Product, ROOT } from './product.ts';
import { readApiKey, readAuthSecret, readServices } from './secrets.ts';
import { DATABASE } from './services.ts';
import type { Running } from './supervise.ts';

/** Addresses of the product's own services, with their passwords. */
export interface Access {
  databaseUrl: string;
  redisUrl: string;
}

export async function accessOf(dataDir: string): Promise<Access> {
  const { postgres, redis } = await readServices(dataDir);
  const of = (user: string, password: string, port: number) =>
    `${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  return {
    databaseUrl: `postgresql://${of(POSTGRES_USER, postgres.password, postgres.port)}/${DATABASE}`,
    redisUrl: `redis://${of('', redis.password, redis.port)}/0`,
  };
}

/** One part that its owner may kill and start again. */
export class ExtraPart {
  readonly name: string;
  readonly #start: () => Promise<Running>;
  #running: Running | null = null;

  constructor(name: string, start: () => Promise<Running>) {
    this.name = name;
    this.#start = start;
  }

  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** Its helper processes: a worker's engine. */
  async helpers(): Promise<number[]> {
    return this.pid === null ? [] : childrenOf(this.pid);
  }

  async start(): Promise<void> {
    this.#running = await this.#start();
  }

  /** SIGKILL, with its helper processes; resolves when they are gone. */
  async kill(): Promise<void> {
    await this.#running?.stop(true);
    this.#running = null;
  }

  /** Of it and its helper processes; SIGSTOP and SIGCONT freeze and thaw it. */
  async signal(name: NodeJS.Signals): Promise<void> {
    if (this.pid === null) return;
    signal(this.pid, name);
    for (const pid of await this.helpers()) signal(pid, name);
  }

  async stop(): Promise<void> {
    await this.#running?.stop(false);
    this.#running = null;
  }
}

/** @param env variables of the parts alone, e.g. of a worker its memory */
export async function extraParts(
  product: Pick<Product, 'url' | 'port'>,
  dataDir: string,
  say: (line: string) => void = () => undefined,
): Promise<{
  worker(name: string, env?: NodeJS.ProcessEnv): ExtraPart;
  coordinator(name: string): ExtraPart;
  access: Access;
}> {
  const source = { ...process.env, BLYAN_DATA_DIR: dataDir, PORT: String(product.port) };
  const block = await fetch(`${product.url}/chain/A/block/0`);
  const { hash: genesis } = (await block.json()) as { hash: string };
  const access = await accessOf(dataDir);
  const context: PartsContext = {
    root: ROOT,
    env: readEnv(ROOT, source),
    ...access,
    apiKey: await readApiKey(dataDir),
    authSecret: await readAuthSecret(dataDir),
    genesis,
    logs: path.join(dataDir, 'logs'),
    say,
  };
  return {
    access,
    coordinator: (name) =>
      new ExtraPart(name, () => startPart(coordinatorPart(context, name), say)),
    worker(name, env = {}) {
      const own = {
        BLYAN_NODE_ID: name,
        BLYAN_WORKER_DIR: path.join(dataDir, name),
        BLYAN_WORKER_THREADS: '1',
        ...env,
      };
      return new ExtraPart(name, () => startPart(workerPart(context, name, own), say));
    },
  };
}

/**
 * Lets a process run for a share of the time, as on a much slower machine: the embedded model's answers
 * are over in a tenth of a second otherwise, before anybody could interrupt them.
 *
 * @param share asked for again and again; 1 is full speed
 */
export function slowed(pids: () => Promise<number[]>, share: () => number): Disposable {
  const PERIOD_MS = 50;
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const all = await pids();
      for (const pid of all) signal(pid, 'SIGCONT');
      const part = Math.min(1, share());
      await sleep(PERIOD_MS * part);
      if (stopped || part === 1) continue;
      for (const pid of all) signal(pid, 'SIGSTOP');
      await sleep(PERIOD_MS * (1 - part));
    }
    for (const pid of await pids()) signal(pid, 'SIGCONT');
  };
  void loop();
  return {
    [Symbol.dispose]() {
      stopped = true;
    },
  };
}
