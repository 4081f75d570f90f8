/** What the running product says no to, and how: to programs, to pages of others, on bare connections. */
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';

/** Of the product that these tests run on. */
export const APP_ORIGIN = 'https://app.example';

/** Registers the tests. @param urlOf the product, started with `APP_ORIGIN` as a page that may */
export function refusalTests(urlOf: () => string): void {
  const ask = (path: string, init: RequestInit = {}) => fetch(urlOf() + path, init);

  test.each([
    ['GET', '/v1/nothing', 404, 'unknown_url'],
    ['POST', '/v1/embeddings', 404, 'unknown_url'],
    ['GET', '/chat/some/thing', 404, 'unknown_url'],
    ['GET', '/proofs', 404, 'unknown_url'],
    ['GET', '/v1/chat/completions', 405, 'method_not_supported'],
    ['POST', '/v1/models', 405, 'method_not_supported'],
    ['DELETE', '/chain/A/blocks', 405, 'method_not_supported'],
  ])('%s %s is %i, as JSON', async (method, path, status, code) => {
    for (const root of ['', '/api']) {
      const response = await ask(root + path, { method });
      expect(response.status).toBe(status);
      expect(response.headers.has('allow')).toBe(status === 405);
      expect((await response.json()).error).toMatchObject({ code, message: expect.any(String) });
    }
  });

  describe('a page of another origin', () => {
    const post = (origin: string | null, body: string, path = '/v1/completions') => {
      const headers = { 'content-type': 'application/json', ...(origin && { origin }) };
      return ask(path, { method: 'POST', headers, body });
    };

    test.each([
      ['an answer', '{"prompt":"Hi","max_tokens":1}', undefined, 200],
      ['a refusal', '{"prompt":5}', undefined, 400],
      ['that there is nothing', '{}', '/v1/nothing', 404],
    ])('that may, reads %s', async (_name, body, path, status) => {
      const { status: got, headers } = await post(APP_ORIGIN, body, path);
      expect(got).toBe(status);
      expect(headers.get('access-control-allow-origin')).toBe(APP_ORIGIN);
      const exposed = headers.get('access-control-expose-headers')?.split(', ') ?? [];
      const told = [...headers.keys()].filter((name) => /^(x-ratelimit|x-request-id)/.test(name));
      expect(told).toContain('x-request-id');
      expect(exposed).toEqual(expect.arrayContaining([...told, 'retry-after']));
      expect(headers.get('vary')).toMatch(/\bOrigin\b/);
    });

    test('that may, is told so before it asks', async () => {
      const headers = {
        origin: APP_ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      };
      const response = await ask('/v1/completions', { method: 'OPTIONS', headers });
      expect(response.status).toBe(204);
      expect(response.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN);
      expect(response.headers.get('access-control-allow-headers')).toContain('authorization');
    });

    test('that may not, reads nothing', async () => {
      for (const [origin, status] of [
        ['https://evil.example', 403],
        [null, 200],
      ] as const) {
        const response = await post(origin, '{"prompt":"Hi","max_tokens":1}');
        expect(response.status).toBe(status);
        expect([...response.headers.keys()].join()).not.toContain('access-control');
        expect(response.headers.get('vary')).toMatch(/\bOrigin\b/);
      }
    });
  });

  describe('a connection whose body is refused', () => {
    /** @returns all that was answered, when there are so many answers or the connection has ended */
    const say = (text: string[], answers: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(urlOf());
        let got = '';
        const socket = connect(Number(port), hostname).setEncoding('utf8');
        socket.on('data', (part) => {
          got += part;
          if ((got.match(/"param":[^}]*\}\}/g) ?? []).length >= answers) socket.destroy();
        });
        socket.on('error', reject).on('close', () => resolve(got));
        for (const part of text) socket.write(part);
      });
    const head = (path: string, length: number, more = '') =>
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;
    const statuses = (answer: string) =>
      [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
    const small = '{"prompt":5}';
    const large = `{"prompt":"${'x'.repeat(900_000)}"}`;
    const huge = 'x'.repeat(3 * 1024 * 1024);
    const wrongKey = 'Authorization: Bearer blyan_wrong\r\n';

    test('for its key, goes on with the next request', async () => {
      const next = [head('/chat', small.length), small];
      const answer = await say([head('/chat', large.length, wrongKey), large, ...next], 2);
      expect(statuses(answer)).toEqual([401, 400]);
    });

    test('for its address, goes on with the next request', async () => {
      const next = [head('/chat', small.length), small];
      const answer = await say([head('/v1/nothing', large.length), large, ...next], 2);
      expect(statuses(answer)).toEqual([404, 400]);
    });

    test('for its size, has the answer and ends', async () => {
      const answer = await say([head('/chat', huge.length), huge], 9);
      expect(statuses(answer)).toEqual([413]);
      expect(answer).toMatch(/^connection: close\r$/im);
      expect(answer).toContain('body_too_large');
    });
  });

  test('a browser has its session before its first question', async () => {
    const cookie = (await ask('/')).headers.get('set-cookie');
    expect(cookie).toMatch(/^blyan-session=[\w-]{43};/);
    expect((await ask('/docs')).headers.has('set-cookie')).toBe(false);
  });
}
