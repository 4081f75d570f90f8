import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { holdLine, triesAgain } from '../src/chat/connection.ts';
import { applyEvent, newAnswer, problemOf } from '../src/chat/reduce.ts';
import { EventParser, type ServerEvent } from '../src/chat/sse.ts';

const parseAll = (...parts: string[]) => {
  const parser = new EventParser();
  return parts.flatMap((part) => [...parser.push(part)]);
};

describe('reading server-sent events', () => {
  test('events, ids and comments', () => {
    expect(
      parseAll(': hello\n\nevent: token\nid: 1-0\ndata: {"a":1}\n\ndata: x\ndata: y\n\n'),
    ).toEqual([
      { event: 'token', data: '{"a":1}', id: '1-0' },
      { event: 'message', data: 'x\ny', id: '1-0' },
    ]);
  });

  test('cut anywhere, with any line ends, the events are the same', () => {
    const text = 'event: a\nid: 1\ndata: é1\n\nevent: b\ndata: 2\n\n';
    for (const whole of [text, text.replaceAll('\n', '\r\n')]) {
      for (let cut = 0; cut <= whole.length; cut++) {
        expect(parseAll(whole.slice(0, cut), whole.slice(cut))).toEqual([
          { event: 'a', data: 'é1', id: '1' },
          { event: 'b', data: '2', id: '1' },
        ]);
      }
    }
  });
});

describe('what events do to an answer', () => {
  const event = (name: string, data: object, id: string | null = null): ServerEvent => ({
    event: name,
    data: JSON.stringify(data),
    id,
  });
  const run = (...events: ServerEvent[]) =>
    events.reduce((message, next) => applyEvent(message, next, 1000), newAnswer('an-answer'));

  test('tokens add up and the id belongs to the text', () => {
    const message = run(
      event('start', { id: 'an-answer' }),
      event('phase', { phase: 'prefill', done: 1, total: 2 }, '0-1'),
      event('token', { position: 0, count: 1, text: 'Hel' }, '1-0'),
      event('token', { position: 1, count: 2, text: 'lo' }, '2-0'),
    );
    expect(message).toMatchObject({
      accepted: true,
      status: 'writing',
      text: 'Hello',
      tokens: 3,
      lastEventId: '2-0',
      phase: null,
    });
  });

  test('a replay from the row replaces what was there', () => {
    const message = run(
      event('token', { position: 0, count: 1, text: 'Hel' }, '1-0'),
      event('token', { position: 0, count: 3, text: 'Hello', replace: true }),
    );
    expect(message.text).toBe('Hello');
  });

  test('an error keeps the text', () => {
    const message = run(
      event('token', { position: 0, count: 1, text: 'Hel' }, '1-0'),
      event(
        'error',
        { error: { message: 'gone', code: 'no_worker', type: 'x', param: null } },
        '2-0',
      ),
    );
    expect(message).toMatchObject({
      status: 'failed',
      text: 'Hel',
      problem: { code: 'no_worker', message: 'gone' },
    });
  });

  test('an answer that is no JSON of ours still says something', () => {
    expect(problemOf(null).message).not.toBe('');
  });
});

describe('holding the line', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** What the message became against a server that answers in this way. */
  async function held(accepted: boolean, listener: RequestListener) {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // Addresses of pages are relative.
    const { fetch } = globalThis;
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => fetch(base + path, init));
    let message = { ...newAnswer('an-answer'), accepted };
    await holdLine([{ role: 'user', content: 'Hi' }], {
      signal: new AbortController().signal,
      current: () => message,
      event: (next) => {
        message = applyEvent(message, next, 1000);
      },
      update: (next) => {
        message = next;
      },
    });
    server.closeAllConnections();
    server.close();
    return message;
  }
  const refuse = { error: { message: 'down', type: 'x', code: 'redis_unavailable', param: null } };

  /** Refuses once, then has the end of the answer. */
  const backAfterOne = (): RequestListener => {
    let asked = 0;
    return (_request, response) => {
      asked += 1;
      if (asked === 1) response.writeHead(503).end(JSON.stringify(refuse));
      else
        response.end(
          'event: done\ndata: {"id":"an-answer","text":"end","finish_reason":"stop"}\n\n',
        );
    };
  };

  test('an answer that was taken in outlives a 503', async () => {
    expect(await held(true, backAfterOne())).toMatchObject({ status: 'done', text: 'end' });
  });

  test('a question that was refused is told so at once', async () => {
    expect(await held(false, backAfterOne())).toMatchObject({
      status: 'failed',
      problem: { code: 'redis_unavailable' },
    });
  });

  test.each([
    [503, true, 1, true],
    [500, true, 1, true],
    [503, true, 1000, false],
    [404, true, 1, false],
    [503, false, 1, false],
    [502, false, 1, true],
  ])('%d, accepted %s, refused %d times: again %s', (status, accepted, refusals, again) => {
    expect(triesAgain(status, accepted, refusals)).toBe(again);
  });
});
