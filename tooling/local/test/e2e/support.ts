/** What the end-to-end tests share. */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/ports.ts';
import { type Product, ROOT } from '../../src/product.ts';

export interface TempDir extends AsyncDisposable {
  dir: string;
}

/**
 * A data directory as `npm start` would make it: other accounts may pass. A Redis that `npm test` has
 * downloaded is in it already, unless it is to be empty.
 */
export async function tempDataDir(o: { empty?: boolean } = {}): Promise<TempDir> {
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-e2e-'));
  await chmod(dir, 0o711);
  const tools = path.join(ROOT, 'data', 'tools');
  if (!o.empty && existsSync(tools)) await symlink(tools, path.join(dir, 'tools'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

/** Below those that systems give out by themselves, so that nobody takes it between two starts. */
export const lastingPort = (): Promise<number> =>
  freePort('127.0.0.1', 20_000 + Math.floor(Math.random() * 10_000));

/** Every process that has to do with a data directory: by command line, environment or where it works. */
export async function processesOf(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    const [command, environment, cwd] = await Promise.all([
      read('cmdline'),
      read('environ'),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
    ]);
    if (command === '') continue;
    if (command.includes(dir) || environment.includes(dir) || cwd.startsWith(dir)) {
      found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
    }
  }
  return found;
}

export interface ChatReply {
  response: string;
  model: string;
  usage: { prompt_tokens: number; completion_tokens: number };
  provenance: {
    model: { block: { chain: string; height: number; hash: string } };
    receipt: string;
    seed: number;
  };
}

export async function chat(
  url: string,
  body: object,
): Promise<{ status: number; body: ChatReply }> {
  const response = await fetch(`${url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, body: (await response.json()) as ChatReply };
}

export interface StreamEvent {
  event: string;
  data: string;
}

/** Reads server-sent events until the stream ends; `onEvent` sees each as it arrives. */
export async function readEvents(
  response: Response,
  onEvent: (event: StreamEvent) => void = () => undefined,
): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const lines = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      const field = (name: string) =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trim())
          .join('\n');
      const event = { event: field('event'), data: field('data') };
      if (event.data === '' && event.event === '') continue;
      events.push(event);
      onEvent(event);
    }
  }
  return events;
}

export interface SlowEngine extends Disposable {
  /** Not a token more: what is done meanwhile may take its time. */
  hold(): void;
  /** Slowly on, after `hold`. */
  release(): void;
}

/**
 * Lets the engine run a tenth of the time, as on a much slower machine: the embedded model's answers
 * are over in a tenth of a second otherwise, before anybody could interrupt them.
 */
export async function slowEngine(product: Pick<Product, 'pids'>): Promise<SlowEngine> {
  const { worker } = await product.pids();
  const children = await readFile(`/proc/${worker}/task/${worker}/children`, 'utf8');
  const engine = Number(children.trim().split(' ')[0]);
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(engine, signal);
    } catch {
      // It has ended; the one that follows it runs at full speed.
    }
  };
  const crawl = () =>
    setInterval(() => {
      send('SIGCONT');
      setTimeout(() => send('SIGSTOP'), 5);
    }, 50);
  let timer = crawl();
  return {
    hold() {
      clearInterval(timer);
      send('SIGSTOP');
      setTimeout(() => send('SIGSTOP'), 10);
    },
    release() {
      timer = crawl();
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      setTimeout(() => send('SIGCONT'), 20);
    },
  };
}
