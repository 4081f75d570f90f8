/** Requests that are answered before their bodies were read, by clients that know nothing but a socket. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createDoor } from '../src/door/door.ts';
import { readJson } from '../src/server/http/body.ts';

const MIB = 1024 * 1024;
const rules = {
  host: '127.0.0.1',
  publicUrl: null,
  allowedHosts: [],
  corsOrigins: [],
  trustedProxies: [],
};

let server: Server;
let asked: string[];
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Behind the door: refuses at `/unread` without looking at the body, else when it is too large. */
async function listen(): Promise<number> {
  const door = createDoor(rules);
  asked = [];
  server = createServer(async (request, response) => {
    if (door.enter(request, response) === null) return;
    asked.push(request.url ?? '');
    if (request.url === '/unread') {
      await sleep(10);
      response.writeHead(401).end('refused');
      return;
    }
    const init = { method: 'POST', body: request, duplex: 'half' };
    try {
      await readJson(new Request('http://here/', init as unknown as RequestInit), MIB);
      response.writeHead(200).end('read');
    } catch {
      response.writeHead(413).end('too large');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Sent {
  path: string;
  bytes: number;
  connection?: 'close' | 'keep-alive';
  /** What goes out behind the body, at once. */
  behind?: string;
}

const CHUNK = Buffer.concat([
  Buffer.from('8000\r\n'),
  Buffer.alloc(0x8000, 'a'),
  Buffer.from('\r\n'),
]);
const next = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`;

/** Sends a chunked body and reads nothing before all of it is sent. @returns all that was answered */
async function send({ path, bytes, connection = 'keep-alive', behind = '' }: Sent) {
  const socket = connect(await listen(), '127.0.0.1').pause();
  let answer = '';
  let error: string | null = null;
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    error = code ?? 'error';
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const head = ['Host: localhost', `Connection: ${connection}`, 'Transfer-Encoding: chunked'];
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`);
  let sent = 0;
  for (; sent < bytes && !error; sent += 0x8000) {
    // The answer is on its way while the body still is.
    if (sent % MIB === 0) await sleep(20);
    if (!socket.write(CHUNK))
      await Promise.race([new Promise((r) => socket.once('drain', r)), closed]);
  }
  if (!error) socket.write(`0\r\n\r\n${behind}`);
  socket.resume();
  return { socket, closed, sent, answer: () => answer, error: () => error };
}

const statuses = (answer: string) =>
  [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, s]) => Number(s));
const until = async (isSo: () => boolean) => {
  while (!isSo()) await sleep(10);
};

describe.each(['/unread', '/read'])('%s', (path) => {
  const status = path === '/unread' ? 401 : 413;

  test('a client that closes gets its answer, after all that it had to say', async () => {
    const { closed, answer, error } = await send({ path, bytes: 4 * MIB, connection: 'close' });
    await closed;
    expect(error()).toBeNull();
    expect(statuses(answer())).toEqual([status]);
  });

  test('a client that goes on gets its next answer', async () => {
    const { socket, answer, error } = await send({ path, bytes: 4 * MIB });
    await until(() => answer() !== '');
    socket.write(next('/next'));
    await until(() => statuses(answer()).length === 2 || error() !== null);
    expect(error()).toBeNull();
    expect(statuses(answer())).toEqual([status, 200]);
    socket.destroy();
  });

  test('a body without an end is not read for ever', async () => {
    const { closed, sent } = await send({ path, bytes: Number.POSITIVE_INFINITY });
    await closed;
    expect(sent).toBeGreaterThan(16 * MIB);
  });
});

test('what comes behind the last request of a connection is not done', async () => {
  const last = {
    path: '/unread',
    bytes: 2 * MIB,
    connection: 'close',
    behind: next('/next'),
  } as const;
  const { closed, answer } = await send(last);
  await closed;
  expect(statuses(answer())).toEqual([401]);
  expect(asked).toEqual(['/unread']);
});
