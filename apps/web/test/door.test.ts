/** The door in front of Next.js, on a real server: names, origins, addresses. */
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parseNetwork } from '../src/door/address.ts';
import { callerAddress, withCaller } from '../src/door/caller.ts';
import { createDoor, type DoorRules } from '../src/door/door.ts';
import { hostCheck } from '../src/door/hosts.ts';

const RULES: DoorRules = {
  host: '127.0.0.1',
  publicUrl: 'https://chat.example.org',
  allowedHosts: [],
  corsOrigins: [],
  trustedProxies: [],
};

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What a server behind the door answers: the caller's address and what it sees of `X-Forwarded-For`. */
async function ask(
  rules: Partial<DoorRules>,
  headers: Record<string, string>,
  { method = 'GET', path = '/health' } = {},
): Promise<Answer> {
  const door = createDoor({ ...RULES, ...rules });
  const server = createServer((incoming, response) => {
    const address = door.enter(incoming, response);
    if (address === null) return;
    const seen = incoming.headers['x-forwarded-for'] ?? '';
    withCaller(address, async () => {
      await Promise.resolve();
      response.end(`${callerAddress()} ${seen}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, method, path, headers }, (incoming) => {
        let body = '';
        incoming.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }),
        );
      });
      outgoing.on('error', reject).end();
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
const codeOf = ({ body }: Answer) => JSON.parse(body).error.code;

describe('names', () => {
  const closed = hostCheck(RULES);
  const open = hostCheck({
    ...RULES,
    host: '0.0.0.0',
    allowedHosts: ['*.lan.example', 'box.home'],
  });

  test.each([
    ['localhost:8000', true, true],
    ['app.localhost', true, true],
    ['127.0.0.1:8000', true, true],
    ['[::1]:8000', true, true],
    ['192.168.1.20:8000', true, true],
    ['chat.example.org', true, true],
    ['CHAT.example.org.:443', true, true],
    ['web:8000', false, true],
    ['box.home', false, true],
    ['a.lan.example', false, true],
    ['lan.example', false, false],
    ['evil.example', false, false],
    ['127.0.0.1.evil.example', false, false],
    ['localhost.evil.example', false, false],
    ['user@localhost', false, false],
    ['localhost/evil.example', false, false],
    ['', false, false],
  ])('%s: on this machine only %s, open to a network %s', (name, here, anywhere) => {
    expect([closed(name), open(name)]).toEqual([here, anywhere]);
  });

  test('any name, when that is asked for', () => {
    expect(hostCheck({ ...RULES, allowedHosts: ['*'] })('evil.example')).toBe(true);
  });

  test('a name of somebody else is 421, in words', async () => {
    const answer = await ask({}, { host: 'evil.example:8000' });
    expect(answer.status).toBe(421);
    expect(codeOf(answer)).toBe('host_not_allowed');
    expect(answer.body).toContain('BLYAN_ALLOWED_HOSTS');
    // Nobody may choose the name by a header that only a proxy writes.
    const forwarded = { host: 'evil.example', 'x-forwarded-host': 'localhost' };
    expect((await ask({}, forwarded)).status).toBe(421);
    const behind = { host: 'localhost', 'x-forwarded-host': 'evil.example' };
    const trustedProxies = [parseNetwork('127.0.0.1')];
    expect((await ask({ trustedProxies }, behind)).status).toBe(421);
  });

  test('a percent sign that encodes nothing is 400', async () => {
    expect((await ask({}, {}, { path: '/v1/models/%zz' })).status).toBe(400);
    expect((await ask({}, {}, { path: '/v1/models/%41?q=%zz' })).status).toBe(200);
  });
});

describe('origins', () => {
  const host = 'localhost:8000';

  test.each([
    [{ host, origin: 'http://localhost:8000' }, 200],
    [{ host, origin: 'https://chat.example.org' }, 200],
    [{ host, origin: 'http://localhost:3000' }, 403],
    [{ host, origin: 'https://evil.example' }, 403],
    [{ host, origin: 'null' }, 403],
    [{ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    [{ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 200],
    [{ host, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors' }, 200],
  ])('without CORS: %j is %i', async (headers, status) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await ask({}, headers, { method, path: '/chat/stream' });
      expect(answer.status).toBe(status);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  test('an origin of the list may use the API, and reads its limits', async () => {
    const rules = { corsOrigins: ['https://app.example'] };
    const headers = { host, origin: 'https://app.example' };
    const answer = await ask(rules, headers);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      vary: 'Origin',
    });
    const exposed = answer.headers['access-control-expose-headers']?.split(', ');
    for (const name of ['retry-after', 'x-ratelimit-remaining-tokens', 'x-request-id'])
      expect(exposed).toContain(name);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  test('it may read refusals, too, and others may read nothing', async () => {
    const rules = { corsOrigins: ['https://app.example'] };
    const ours = { host, origin: 'https://app.example' };
    for (const [headers, path, status] of [
      [ours, '/v1/nothing', 404],
      [ours, '/v1/completions', 405],
      [{ ...ours, host: 'evil.example' }, '/health', 421],
    ] as const) {
      const answer = await ask(rules, headers, { path });
      expect(answer.status).toBe(status);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': 'https://app.example',
        'access-control-expose-headers': expect.stringContaining('x-request-id'),
        vary: 'Origin',
      });
    }
    for (const [headers, status] of [
      [{ host, origin: 'https://app.example.evil' }, 403],
      [{ host }, 404],
    ] as const) {
      const answer = await ask(rules, headers, { path: '/v1/nothing' });
      expect(answer.status).toBe(status);
      expect(Object.keys(answer.headers).join()).not.toContain('access-control');
      // A cache in between must not give this answer to the page that may.
      expect(answer.headers.vary).toBe('Origin');
    }
  });

  test('a preflight is answered here', async () => {
    const answer = await ask(
      { corsOrigins: ['*'] },
      {
        host,
        origin: 'https://any.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-stainless-lang',
      },
      { method: 'OPTIONS' },
    );
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-allow-headers': 'authorization,x-stainless-lang',
    });
  });
});

describe('addresses of the API', () => {
  const GET = 'GET, HEAD, OPTIONS';
  const POST = 'OPTIONS, POST';

  test.each([
    ['GET', '/v1', 404],
    ['GET', '/v1/nothing', 404],
    ['POST', '/v1/embeddings', 404],
    ['POST', '/v1/chat/completions/x', 404],
    ['OPTIONS', '/v1/nothing', 404],
    ['GET', '/chat/a/b/c', 404],
    ['GET', '/health/x', 404],
    ['GET', '/openapiXjson', 200],
    ['GET', '/proofs', 404],
    ['DELETE', '/blobs', 404],
    ['GET', '/chain/A/block', 404],
    ['GET', '/v1/completions', 405, POST],
    ['GET', '/v1/chat/completions?x=1', 405, POST],
    ['POST', '/v1/models', 405, GET],
    ['DELETE', '/v1/models/org/name', 405, GET],
    ['GET', '/chat', 405, POST],
    ['PUT', '/chat/stream', 405, 'GET, OPTIONS, POST'],
    ['HEAD', '/chat/stream?prompt=Hi', 405, 'GET, OPTIONS, POST'],
    ['GET', '/chat/some/cancel', 405, POST],
    ['POST', '/chain/A/blocks', 405, GET],
    ['POST', '/blobs/some', 405, GET],
    ['PATCH', '/proofs/inclusion', 405, GET],
    ['TRACE', '/health', 405, GET],
    ['HEAD', '/health', 200],
    ['OPTIONS', '/v1/completions', 200],
    ['GET', '/v1/models/org/name', 200],
    ['POST', '/chat/some/cancel', 200],
    // Next.js leads these to the address that is meant.
    ['GET', '/v1/models/', 200],
    ['GET', '/v1//models', 200],
  ])('%s %s, at the root and under /api: %i', async (method, path, status, allow?: string) => {
    for (const root of ['', '/api']) {
      if (path === '/openapiXjson' && root) continue;
      const { status: got, headers, body } = await ask({}, {}, { method, path: root + path });
      expect(got).toBe(status);
      expect(headers.allow).toBe(allow);
      expect(headers['x-request-id']).toMatch(/^[\w-]{36}$/);
      if (status === 200 || method === 'HEAD') continue;
      expect(headers['content-type']).toBe('application/json');
      expect(JSON.parse(body).error).toEqual({
        message: expect.stringContaining(`${method} ${root}${path.split('?')[0]}`),
        type: status === 404 ? 'not_found_error' : 'invalid_request_error',
        code: status === 404 ? 'unknown_url' : 'method_not_supported',
        param: null,
      });
    }
  });

  test.each([
    ['GET', '/explorer/nothing', 200],
    ['GET', '/api', 404],
    ['GET', '/api/trpc', 404],
    ['GET', '/trpc/a.b', 200],
    ['GET', '/api/trpc/a.b,c.d?batch=1', 200],
    ['DELETE', '/api/trpc/a.b', 405],
    ['POST', '/api/auth/sign-in/email', 200],
    ['GET', '/api/auth/sign-in/email', 405],
  ])('of pages, and for our own ones: %s %s is %i', async (method, path, status) => {
    expect((await ask({}, {}, { method, path })).status).toBe(status);
  });
});

describe('addresses', () => {
  const forwarded = (value: string) => ({ 'x-forwarded-for': value });
  const addressFor = async (trusted: string[], value: string) =>
    (await ask({ trustedProxies: trusted.map(parseNetwork) }, forwarded(value))).body.split(' ')[0];

  test('what a stranger says of himself counts for nothing, and goes no further', async () => {
    // What goes on is what the connection says.
    expect((await ask({}, forwarded('1.2.3.4'))).body).toBe('127.0.0.1 127.0.0.1');
  });

  test.each([
    ['the nearest proxy', ['127.0.0.0/8'], '1.2.3.4', '1.2.3.4'],
    ['the client wrote in front', ['127.0.0.0/8'], '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['two proxies', ['127.0.0.1', '10.0.0.0/8'], '6.6.6.6, 1.2.3.4, 10.1.1.1', '1.2.3.4'],
    ['no address', ['127.0.0.1'], 'whoever', '127.0.0.1'],
    ['IPv6 counts by its network', ['127.0.0.1'], '2001:db8:1:2:3::4', '2001:db8:1:2::/64'],
    ['IPv4 as IPv6', ['127.0.0.1'], '::ffff:1.2.3.4', '1.2.3.4'],
    ['another proxy', ['10.0.0.0/8'], '1.2.3.4', '127.0.0.1'],
  ])('%s', async (_name, trusted, value, expected) => {
    expect(await addressFor(trusted, value)).toBe(expected);
  });
});
