import { createPublicKey, verify } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { challengeText, type RegisterRequest } from '@blyan/protocol/register';
import { connect, disconnect } from '@blyan/queue/connection';
import { createNodeUser, deleteNodeUser } from '@blyan/queue/node-acl';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { engineEnv, readEnv, refuseForbidden } from '../src/env.ts';
import { pinGenesis, pinnedGenesis } from '../src/genesis-pin.ts';
import { Membership } from '../src/membership.ts';
import { keptNodeId } from '../src/node-id.ts';
import { keptNodeKey, type NodeKey } from '../src/node-key.ts';
import { register } from '../src/register.ts';

const GENESIS = 'ab'.repeat(32);
const CHALLENGE = 'c'.repeat(40);
const lease = (token: string, renewMs = 60_000) => ({
  token: token.padEnd(32, '-'),
  ttlMs: 60_000,
  renewMs,
});
const REPLY = {
  nodeId: 'node-a',
  genesis: GENESIS,
  lease: lease('first'),
  redisUrl: 'redis://127.0.0.1:6379',
  heartbeatMs: 1000,
};
type Answer = [status: number, body: unknown];
const refusal = (status: number, code: string): Answer => [
  status,
  { error: { code, message: code } },
];

let dir: string;
let key: NodeKey;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-worker-'));
  key = await keptNodeKey(dir);
});
afterAll(() => rm(dir, { recursive: true }));

interface Call {
  path: string;
  bearer: string | undefined;
  body: Record<string, unknown>;
}

/** A main node whose answers to registrations and heartbeats are given; challenges always are. */
async function mainNode(handle: (call: Call, count: number) => Answer | Promise<Answer>) {
  const calls: Call[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const call = {
      path: request.url ?? '',
      bearer: request.headers.authorization?.replace('Bearer ', ''),
      body: JSON.parse(text),
    };
    let answer: Answer = [200, { challenge: CHALLENGE }];
    if (call.path !== '/gpu/challenge') {
      calls.push(call);
      answer = await handle(call, calls.length);
    }
    response.writeHead(answer[0], { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer[1]));
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
const input = (mainUrl: string, genesis: string | null = GENESIS) => ({
  mainUrl,
  apiKey: 'a-key-of-some-length',
  genesis,
  nodeId: 'node-a',
  key,
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('registration', () => {
  test('sends the key and proves to be the node', async () => {
    await using main = await mainNode(() => [200, REPLY]);
    expect(await register(input(main.mainUrl), deps())).toEqual(REPLY);
    expect(main.calls[0]?.bearer).toBe('a-key-of-some-length');
    const body = main.calls[0]?.body as unknown as RegisterRequest;
    expect(body).toMatchObject({ nodeId: 'node-a', version: '0.1.0', publicKey: key.publicKey });
    const x = Buffer.from(body.publicKey, 'hex').toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const text = Buffer.from(challengeText(CHALLENGE, 'node-a'));
    expect(verify(null, text, publicKey, Buffer.from(body.signature, 'hex'))).toBe(true);
  });

  test.each<[string, Answer]>([
    ['not up', [503, {}]],
    ['full', refusal(429, 'key_nodes_exhausted')],
    ['behind a proxy with a limit', [429, 'Too Many Requests']],
    ['behind a gateway with a limit', refusal(429, 'rate_limited')],
    ['behind a proxy that asks for a password', [401, {}]],
    ['of another secret by now', refusal(401, 'challenge_invalid')],
  ])('tries again while the main node is %s', async (_name, answer) => {
    await using main = await mainNode((_call, count) => (count < 2 ? answer : [200, REPLY]));
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

  test.each<[string, Answer, string]>([
    ['a refused key', refusal(401, 'invalid_api_key'), 'REFUSED'],
    ['an evicted node', refusal(403, 'node_evicted'), 'REFUSED'],
    ['a version that is too old', refusal(400, 'invalid_value'), 'REFUSED'],
    ['another network', [200, { ...REPLY, genesis: 'cd'.repeat(32) }], 'GENESIS_MISMATCH'],
  ])('%s ends it, in words', async (_name, answer, code) => {
    await using main = await mainNode(() => answer);
    await expect(register(input(main.mainUrl), deps())).rejects.toMatchObject({ code });
    expect(main.calls).toHaveLength(1);
  });

  test('without a pinned network it takes the one that answers', async () => {
    await using main = await mainNode(() => [200, REPLY]);
    expect((await register(input(main.mainUrl, null), deps())).genesis).toBe(GENESIS);
    expect(await pinnedGenesis(dir)).toBeNull();
    await pinGenesis(dir, GENESIS);
    expect(await pinnedGenesis(dir)).toBe(GENESIS);
  });

  test('a pin that cannot be read is no missing one', async () => {
    const torn = path.join(dir, 'torn');
    const file = path.join(torn, 'genesis');
    await mkdir(torn);
    const refused = { code: 'PIN_DAMAGED', message: expect.stringContaining(file) };
    for (const text of ['', GENESIS.slice(1)]) {
      await writeFile(file, text);
      await expect(pinnedGenesis(torn)).rejects.toMatchObject(refused);
    }
    await rm(file);
    await mkdir(file);
    await expect(pinnedGenesis(torn)).rejects.toMatchObject(refused);
  });
});

describe('membership', () => {
  const url = new URL(inject('redisUrl'));
  url.pathname = '/5';
  const NODE = `member-${process.pid}`;

  test('renews its lease, measures the clock, and hears the wish to drain', async () => {
    const skewMs = 7000;
    await using main = await mainNode(({ path: asked }, count) =>
      asked === '/gpu/register'
        ? [200, { ...REPLY, lease: lease('first', 100) }]
        : [
            200,
            {
              lease: lease('next', 100),
              now: Date.now() - skewMs,
              wish: count > 3 ? 'drain' : 'serve',
            },
          ],
    );
    let drained = 0;
    const { lines, ...rest } = deps();
    const onDrain = () => {
      drained++;
    };
    await using member = await Membership.join(input(main.mainUrl), { ...rest, onDrain });
    await until(() => drained > 0);
    const beats = main.calls.filter(({ path: asked }) => asked === '/gpu/heartbeat');
    expect(beats.map(({ bearer }) => bearer?.replaceAll('-', ''))).toEqual(
      expect.arrayContaining(['first', 'next']),
    );
    expect(Math.abs((member.clockAheadMs ?? 0) - skewMs)).toBeLessThan(1000);
    expect(lines).toContain('the clock of this machine is wrong');
  });

  test('registers again when Redis refuses it, and its connections go on', async () => {
    const admin = connect(url.href, { name: 'test', logger: deps().logger });
    const reply = async (): Promise<Answer> => {
      const { username, password } = await createNodeUser(admin, NODE);
      const mine = new URL(url);
      mine.username = encodeURIComponent(username);
      mine.password = password;
      return [200, { ...REPLY, nodeId: NODE, redisUrl: mine.href }];
    };
    await using main = await mainNode(reply);
    const redis = await (async () => {
      await using member = await Membership.join(
        { ...input(main.mainUrl), nodeId: NODE },
        { ...deps(), onDrain: () => undefined },
      );
      const connection = member.connect('test');
      await connection.set(`blyan:node:${NODE}:x`, '1');
      const began = performance.now();
      await deleteNodeUser(admin, NODE);
      await until(() => main.calls.length === 2);
      expect(await connection.get(`blyan:node:${NODE}:x`)).toBe('1');
      expect(performance.now() - began).toBeLessThan(2000);
      return connection;
    })();
    await disconnect(redis);
    await deleteNodeUser(admin, NODE);
    await disconnect(admin);
  });

  test('registers again when its lease is unknown, and ends when it is refused for good', async () => {
    await using main = await mainNode(({ path: asked }, count) => {
      if (asked === '/gpu/heartbeat') return refusal(401, 'lease_unknown');
      if (count > 3) return refusal(403, 'key_revoked');
      return [200, { ...REPLY, lease: lease('any', 100) }];
    });
    await using member = await Membership.join(input(main.mainUrl), {
      ...deps(),
      onDrain: () => undefined,
    });
    await expect(member.ended).rejects.toMatchObject({ refusal: 'key_revoked' });
    const paths = main.calls.map(({ path: asked }) => asked.replace('/gpu/', ''));
    expect(paths).toEqual(['register', 'heartbeat', 'register', 'heartbeat', 'register']);
  });
});

test('the key of the node is made once, for its owner alone', async () => {
  const again = await keptNodeKey(dir);
  expect(again.publicKey).toBe(key.publicKey);
  expect((await stat(key.file)).mode & 0o777).toBe(0o600);
  const other = await mkdtemp(path.join(tmpdir(), 'blyan-worker-'));
  try {
    await writeFile(path.join(other, 'node-key.pem'), 'damaged');
    await expect(keptNodeKey(other)).rejects.toMatchObject({ code: 'NODE_KEY_DAMAGED' });
  } finally {
    await rm(other, { recursive: true });
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
      BLYAN_WORKER_SLOTS: 8,
      BLYAN_WORKER_THREADS: 0,
      BLYAN_BLOB_SOURCES: [],
    });
  });
  test('a list of sources', () => {
    const env = readEnv({ ...right, BLYAN_BLOB_SOURCES: 'http://a:1, https://b' });
    expect(env.BLYAN_BLOB_SOURCES).toEqual(['http://a:1', 'https://b']);
  });
  test.each(['DATABASE_URL', 'REDIS_URL'])('%s is refused, with what to do', (name) => {
    const start = () =>
      refuseForbidden({ ...right, [name]: 'scheme://blyan:secret@127.0.0.1/blyan' });
    expect(start).toThrow(`env -u ${name}`);
    expect(start).not.toThrow(/secret/);
    expect(() => refuseForbidden({ ...right, [name]: '' })).not.toThrow();
  });
  test('the engine gets neither keys nor ways to data', () => {
    const env = engineEnv({ ...right, PATH: '/bin', DATABASE_URL: 'x', REDIS_URL: 'x' });
    expect(env).toEqual({
      PATH: '/bin',
      BLYAN_MAIN_URL: right.BLYAN_MAIN_URL,
      BLYAN_GENESIS: GENESIS,
    });
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
