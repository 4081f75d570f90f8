/** A way to a server of this machine that can be cut, or stand still, as a bad network does it. */
import { createConnection, createServer, type Socket } from 'node:net';

export interface BadNetwork extends AsyncDisposable {
  port: number;
  /** All connections break, and none is accepted until `mend`. */
  cut(): void;
  /** Nothing passes until `mend`, and nobody is told. */
  stall(): void;
  mend(): void;
}

export async function badNetwork(port: number): Promise<BadNetwork> {
  const pairs = new Set<[Socket, Socket]>();
  let state: 'up' | 'cut' | 'stalled' = 'up';
  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy();
      return;
    }
    const upstream = createConnection(port, '127.0.0.1');
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [pair, [upstream, client]] as [Socket, Socket][]) {
      from.on('error', end).on('close', end);
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (state !== 'stalled') from.resume();
      });
      if (state === 'stalled') from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const sockets = () => [...pairs].flat();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    cut() {
      state = 'cut';
      for (const socket of sockets()) socket.destroy();
    },
    stall() {
      state = 'stalled';
      for (const socket of sockets()) socket.pause();
    },
    mend() {
      state = 'up';
      for (const socket of sockets()) socket.resume();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
