import { createConnection, createServer, type Socket } from 'node:net';
import type { NodeJob } from '@blyan/protocol/node';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { inject } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import type { QueueLogger } from '../src/connection.ts';

export const quiet: QueueLogger = { info: () => {}, warn: () => {}, error: () => {} };

/** Keeps what was logged. */
export function recorder() {
  const lines: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, logger: { info: at('info'), warn: at('warn'), error: at('error') } };
}

/** A database of the shared Redis for one test file. */
export function redisUrl(database: number): string {
  const url = new URL(inject('redisUrl'));
  url.pathname = `/${database}`;
  return url.href;
}

let counter = 0;
export const newRequestId = () => `test-request-${process.pid}-${Date.now()}-${counter++}`;

export const newJob = (): NodeJob => ({
  requestId: newRequestId(),
  attempt: 1,
  model: '00'.repeat(32),
  prompt: [1, 2],
  emitted: [],
  params: { ...NEUTRAL, maxTokens: 8, temperature: 0, seed: 1 },
  stopTokens: [2],
  remainingMs: 1000,
});

/** A way to Redis that can be cut and mended, as a bad network does it. */
export async function cuttable(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let down = false;
  const server = createServer((client) => {
    if (down) {
      client.destroy();
      return;
    }
    const upstream = createConnection(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(typeof address === 'object' ? address?.port : 0);
  return {
    url: url.href,
    cut() {
      down = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      down = false;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
