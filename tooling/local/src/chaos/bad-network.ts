/**
 * The way between the workers and Redis, which can be cut, or stand still, as a bad network does it: for
 * all of them, or for one. Whose connection it is shows the user name that it begins with.
 */
import { createConnection, createServer, type Socket } from 'node:net';
import { freePort } from '../ports.ts';
import { readServices, writeServices } from '../secrets.ts';

export interface BadNetwork extends AsyncDisposable {
  port: number;
  /** Connections break, and none is accepted until `mend`. Without a worker: all. */
  cut(worker?: string): void;
  /** Nothing passes until `mend`, and nobody is told: TCP sends again what got lost, for minutes. */
  stall(worker?: string): void;
  mend(): void;
}

type State = 'up' | 'cut' | 'stalled';

interface Pair {
  client: Socket;
  upstream: Socket;
  /** Null until it is known. */
  worker: string | null;
}

const USER = /blyan:node:([a-z0-9-]+)/;

async function badNetwork(port: number): Promise<BadNetwork> {
  const pairs = new Set<Pair>();
  let wrong: { state: State; worker: string | undefined } = { state: 'up', worker: undefined };
  const stateOf = ({ worker }: Pair): State =>
    wrong.worker === undefined || wrong.worker === worker ? wrong.state : 'up';
  const end = (pair: Pair) => {
    pairs.delete(pair);
    pair.client.destroy();
    pair.upstream.destroy();
  };
  const apply = (pair: Pair) => {
    const state = stateOf(pair);
    if (state === 'cut') end(pair);
    for (const socket of [pair.client, pair.upstream]) {
      if (state === 'stalled') socket.pause();
      else if (state === 'up') socket.resume();
    }
  };
  const set = (state: State, worker?: string) => {
    wrong = { state, worker };
    for (const pair of pairs) apply(pair);
  };
  const server = createServer((client) => {
    const pair: Pair = { client, upstream: createConnection(port, '127.0.0.1'), worker: null };
    pairs.add(pair);
    for (const [from, to] of [
      [client, pair.upstream],
      [pair.upstream, client],
    ] as const) {
      from.on('error', () => end(pair)).on('close', () => end(pair));
      from.on('data', (chunk) => {
        if (from === client && pair.worker === null) {
          pair.worker = USER.exec(chunk.toString('latin1'))?.[1] ?? '';
          apply(pair);
        }
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (stateOf(pair) === 'up') from.resume();
      });
    }
    apply(pair);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    cut: (worker) => set('cut', worker),
    stall: (worker) => set('stalled', worker),
    mend: () => set('up'),
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) end(pair);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** For a product that is still to be started: gives Redis its port, and a way to it that breaks. */
export async function networkOf(
  dataDir: string,
): Promise<{ network: BadNetwork; nodeRedisUrl: string }> {
  const services = await readServices(dataDir);
  services.redis.port = await freePort();
  await writeServices(dataDir, services);
  const network = await badNetwork(services.redis.port);
  const { password } = services.redis;
  return { network, nodeRedisUrl: `redis://:${password}@127.0.0.1:${network.port}/0` };
}
