import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEnv } from '../src/env.ts';
import { keptNodeId } from '../src/node-id.ts';
import { register } from '../src/register.ts';

const GENESIS = 'ab'.repeat(32);
const REPLY = {
  nodeId: 'node-a',
  genesis: GENESIS,
  redisUrl: 'redis://127.0.0.1:6379',
  heartbeatMs: 1000,
};

async function mainNode(handle: (call: number) => [status: number, body: unknown]) {
  const calls: { headers: IncomingMessage['headers']; body: unknown }[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    calls.push({ headers: request.headers, body: JSON.parse(text) });
    const [status, body] = handle(calls.length);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    calls,
    mainUrl: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function deps() {
  const lines: string[] = [];
  const say = (_fields: object, message: string) => {
    lines.push(message);
  };
  const logger = { debug: say, info: say, warn: say, error: say };
  return { lines, logger, signal: AbortSignal.timeout(20_000) };
}
const input = (mainUrl: string) => ({
  mainUrl,
  apiKey: 'a-key-of-some-length',
  genesis: GENESIS,
  nodeId: 'node-a',
});

describe('registration', () => {
  test('sends the key and the node, and takes the reply', async () => {
    await using main = await mainNode(() => [200, REPLY]);
    expect(await register(input(main.mainUrl), deps())).toEqual(REPLY);
    expect(main.calls[0]?.headers.authorization).toBe('Bearer a-key-of-some-length');
    expect(main.calls[0]?.body).toMatchObject({ nodeId: 'node-a', version: '0.1.0' });
  });

  test('tries again while the main node is not up', async () => {
    await using main = await mainNode((call) => (call < 2 ? [503, {}] : [200, REPLY]));
    const { lines, ...rest } = deps();
    await register(input(main.mainUrl), rest);
    expect(main.calls).toHaveLength(2);
    expect(lines[0]).toContain('next try in');
  });

  test('ends when it is told to stop', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    const registering = register(input('http://127.0.0.1:9'), { ...deps(), signal: stop.signal });
    await expect(registering).rejects.toThrow(/abort/i);
  });

  const refusals: [string, number, unknown, string][] = [
    ['a refused key', 401, { error: { message: 'unknown key' } }, 'KEY_REFUSED'],
    ['a refused node', 400, { error: { message: 'too old' } }, 'REGISTRATION_REFUSED'],
    ['another network', 200, { ...REPLY, genesis: 'cd'.repeat(32) }, 'GENESIS_MISMATCH'],
  ];
  for (const [name, status, body, code] of refusals) {
    test(`${name} ends it, in words`, async () => {
      await using main = await mainNode(() => [status, body]);
      await expect(register(input(main.mainUrl), deps())).rejects.toMatchObject({ code });
      expect(main.calls).toHaveLength(1);
    });
  }
});

describe('environment', () => {
  const right = {
    BLYAN_MAIN_URL: 'http://127.0.0.1:8000',
    BLYAN_API_KEY: 'a-key-of-some-length',
    BLYAN_GENESIS: GENESIS,
  };
  test('has defaults', () => {
    expect(readEnv({ ...right, BLYAN_MODEL: '' })).toMatchObject({
      BLYAN_WORKER_SLOTS: 4,
      BLYAN_WORKER_THREADS: 0,
      BLYAN_BLOB_SOURCES: [],
    });
  });
  test('a list of sources', () => {
    const env = readEnv({ ...right, BLYAN_BLOB_SOURCES: 'http://a:1, https://b' });
    expect(env.BLYAN_BLOB_SOURCES).toEqual(['http://a:1', 'https://b']);
  });
  test('a wrong or missing variable names itself, with an example', () => {
    const read = () => readEnv({ ...right, BLYAN_GENESIS: 'xyz', BLYAN_API_KEY: '' });
    expect(read).toThrow(/BLYAN_GENESIS is wrong .*Example: BLYAN_GENESIS=/);
    expect(read).toThrow(/BLYAN_API_KEY is not set. Example: BLYAN_API_KEY=/);
  });
});

test('the node id is made once, and again when it is damaged', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-node-id-'));
  try {
    const id = await keptNodeId(dir);
    expect(await keptNodeId(dir)).toBe(id);
    await writeFile(path.join(dir, 'node-id'), '');
    const next = await keptNodeId(dir);
    expect(next).toMatch(/^node-[0-9a-f]{12}$/);
    expect(await keptNodeId(dir)).toBe(next);
  } finally {
    await rm(dir, { recursive: true });
  }
});
