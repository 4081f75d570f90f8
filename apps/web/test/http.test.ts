import { setImmediate } from 'node:timers/promises';
import { RequestId } from '@blyan/protocol/ids';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { readJson } from '../src/server/http/body.ts';
import { ApiError, toApiError } from '../src/server/http/errors.ts';
import { parseRange } from '../src/server/http/range.ts';
import { encodeComment, encodeSse, sseResponse } from '../src/server/http/sse.ts';

const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  new Request('http://localhost/chat', {
    method: 'POST',
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit);

const refusal = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`expected an ApiError, got ${error}`);
  return { status: error.status, code: error.code };
};

describe('bodies', () => {
  test('JSON is read', async () => {
    expect(await readJson(post('{"a":"é"}'), 100)).toEqual({ a: 'é' });
  });

  test.each([
    ['malformed', '{', 400, 'invalid_json'],
    ['empty', '', 400, 'invalid_json'],
    ['not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'invalid_json'],
    ['too large', `"${'a'.repeat(100)}"`, 413, 'body_too_large'],
  ])('%s', async (_name, body, status, code) => {
    expect(await refusal(readJson(post(body), 100))).toEqual({ status, code });
  });

  test('a body without a length is refused at the limit, and its rest is dropped', async () => {
    let pulled = 0;
    let last = Number.POSITIVE_INFINITY;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await setImmediate();
        if (++pulled > last) controller.close();
        else controller.enqueue(new Uint8Array(50));
      },
    });
    const answer = await refusal(readJson(post(body), 100));
    expect(answer).toEqual({ status: 413, code: 'body_too_large' });
    expect(pulled).toBeLessThan(8);
    last = pulled + 10;
    await vi.waitFor(() => expect(pulled).toBeGreaterThan(last), { timeout: 15_000 });
  });
});

describe('errors', () => {
  test('a schema names the field', () => {
    const { error } = z.object({ id: RequestId }).safeParse({ id: 'x' });
    expect(toApiError(error)).toMatchObject({ status: 400, code: 'invalid_value', param: 'id' });
  });

  test('what nobody foresaw tells nothing to the client', () => {
    const failure = toApiError(new Error('password=secret'));
    expect(failure.status).toBe(500);
    expect(JSON.stringify(failure.body)).not.toContain('secret');
  });

  test('errors of another copy of the class are known by name', () => {
    const twin = Object.assign(new Error('gone'), { name: 'StoreError', code: 'BLOB_MISSING' });
    expect(toApiError(twin)).toMatchObject({ status: 404, code: 'blob_missing' });
  });

  test('a missing database is 503 with a time to come back', async () => {
    const failure = toApiError(
      Object.assign(new Error('down'), {
        name: 'DbError',
        code: 'DATABASE_UNREACHABLE',
        retry: true,
      }),
    );
    const response = failure.toResponse();
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await response.json()).toMatchObject({
      error: { type: 'service_unavailable', code: 'database_unavailable', param: null },
    });
  });
});

describe('ranges of 100 bytes', () => {
  test.each([
    ['bytes=0-9', { start: 0, end: 10 }],
    ['bytes=90-', { start: 90, end: 100 }],
    ['bytes=90-500', { start: 90, end: 100 }],
    ['bytes=-10', { start: 90, end: 100 }],
    ['bytes=-500', { start: 0, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', null],
    ['bytes=0-1,4-5', null],
    ['bytes=-', null],
    ['items=0-9', null],
    [null, null],
  ])('%s', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });

  test('an empty blob has no satisfiable range', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  });
});

describe('server-sent events', () => {
  test('fields', () => {
    expect(encodeSse({ event: 'token', id: '1-0', data: '{}' })).toBe(
      'event: token\nid: 1-0\ndata: {}\n\n',
    );
    expect(encodeSse({ data: '[DONE]' })).toBe('data: [DONE]\n\n');
    expect(encodeComment('a\nb')).toBe(': a b\n\n');
  });

  test('headers let every event through at once', async () => {
    const response = sseResponse(
      (async function* () {
        yield 'data: 1\n\n';
      })(),
    );
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(await response.text()).toBe('data: 1\n\n');
  });

  test('a reader that leaves closes the source', async () => {
    let closed: boolean | undefined;
    const gone = new AbortController();
    const response = sseResponse(
      (async function* () {
        yield 'data: 1\n\n';
        await new Promise((resolve) => gone.signal.addEventListener('abort', resolve));
      })(),
      (ended) => {
        closed = ended;
        gone.abort();
      },
    );
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(closed).toBe(false);
  });
});
