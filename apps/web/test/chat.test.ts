import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ConversationView } from '../src/chat/api-types.ts';
import { holdLine, Refusal, triesAgain } from '../src/chat/connection.ts';
import { applyEvent, newAnswer, problemOf, rateOf } from '../src/chat/reduce.ts';
import { EventParser, type ServerEvent } from '../src/chat/sse.ts';
import { Conversation } from '../src/chat/store.ts';

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
    events.reduce((message, next) => applyEvent(message, next, 1000), newAnswer('an-answer', null));

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
  async function held(
    listener: RequestListener,
    ask: (tries: number) => Promise<void> = async () => undefined,
  ) {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // Addresses of pages are relative.
    const { fetch } = globalThis;
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => fetch(base + path, init));
    let message = newAnswer('an-answer', null);
    let tries = 0;
    await holdLine({
      signal: new AbortController().signal,
      current: () => message,
      isRead: () => true,
      ask: () => {
        tries += 1;
        return ask(tries);
      },
      event: (next) => {
        message = applyEvent(message, next, 1000);
      },
      update: (next) => {
        message = next;
      },
    });
    server.closeAllConnections();
    server.close();
    return { message, tries };
  }
  const refuse = { error: { message: 'down', type: 'x', code: 'redis_unavailable', param: null } };
  const end: RequestListener = (_request, response) => {
    response.end('event: done\ndata: {"id":"an-answer","text":"end","finish_reason":"stop"}\n\n');
  };

  /** Refuses once, then has the end of the answer. */
  const backAfterOne = (): RequestListener => {
    let asked = 0;
    return (request, response) => {
      asked += 1;
      if (asked === 1) response.writeHead(503).end(JSON.stringify(refuse));
      else end(request, response as never);
    };
  };

  test('an answer that was taken in outlives a 503, and is asked for once', async () => {
    const { message, tries } = await held(backAfterOne());
    expect(message).toMatchObject({ status: 'done', text: 'end', accepted: true });
    expect(tries).toBe(1);
  });

  test.each([
    ['no_worker', 503],
    ['model_unavailable', 503],
    ['queue_full', 503],
    ['answer_open', 409],
    ['rate_limit_exceeded', 429],
  ])('a question that was refused, %s, is told so at once', async (code, status) => {
    const { message, tries } = await held(end, async () => {
      throw new Refusal({ code, message: 'no' }, status);
    });
    expect(message).toMatchObject({ status: 'failed', accepted: false, problem: { code } });
    expect(tries).toBe(1);
  });

  test('a server that failed is asked again, with the same ids', async () => {
    const { message, tries } = await held(end, async (tried) => {
      if (tried === 1) throw new Refusal({ code: 'database_unavailable', message: 'away' }, 503);
    });
    expect(message).toMatchObject({ status: 'done', accepted: true });
    expect(tries).toBe(2);
  });

  test('a question that did not get through is asked again', async () => {
    const { message, tries } = await held(end, async (tried) => {
      if (tried === 1) throw new TypeError('fetch failed');
    });
    expect(message).toMatchObject({ status: 'done', offline: false });
    expect(tries).toBe(2);
  });

  test.each([
    [503, 1, true],
    [500, 1, true],
    [502, 1, true],
    [429, 1, true],
    [503, 1000, false],
    [404, 1, false],
  ])('%d, refused %d times: again %s', (status, refusals, again) => {
    expect(triesAgain(status, refusals)).toBe(again);
  });
});

test('of a conversation that was deleted in another tab nothing stays', async () => {
  vi.stubGlobal('document', { visibilityState: 'hidden' });
  const question = { id: 'q', parent: null, role: 'user' as const, text: 'Hello?', createdAt: 1 };
  const answer = { status: 'completed' as const, thinking: '', finishReason: null, usage: null };
  const rest = { provenance: null, params: null, problem: null };
  const reply = { ...question, id: 'a', parent: 'q', role: 'assistant' as const, text: 'Hi.' };
  const views: (ConversationView | null)[] = [
    {
      id: 'c',
      title: 'Hello?',
      head: 'a',
      settings: {},
      shareToken: null,
      updatedAt: 1,
      messages: [
        { ...question, answer: null },
        { ...reply, answer: { ...answer, ...rest } },
      ],
    },
    null,
  ];
  const deps = {
    ask: async () => undefined,
    read: async () => views.shift() ?? null,
    select: async () => undefined,
    changed: () => undefined,
  };
  const conversation = new Conversation('c', { fresh: false }, deps);
  await conversation.refresh();
  await vi.waitFor(() => expect(conversation.snapshot.turns).toHaveLength(2));
  await conversation.refresh();
  await vi.waitFor(() => expect(conversation.snapshot.state).toBe('missing'));
  expect(conversation.snapshot).toMatchObject({ title: '', turns: [] });
  vi.unstubAllGlobals();
});

test('parameters that are changed one after the other are all there, at once', () => {
  const nothing = async () => undefined;
  const deps = { ask: nothing, read: async () => null, select: nothing, changed: () => undefined };
  const conversation = new Conversation('c', { fresh: true }, deps);
  const shown: object[] = [];
  conversation.subscribe(() => shown.push(conversation.snapshot.settings));
  expect(conversation.snapshot.settings).toEqual({});
  conversation.set({ ...conversation.snapshot.settings, seed: 7 });
  conversation.set({ ...conversation.snapshot.settings, max_tokens: 6 });
  expect(shown).toEqual([{ seed: 7 }, { seed: 7, max_tokens: 6 }]);
});

test('the rate while writing is of the last seconds, and a replay does not count', () => {
  const token = (position: number, count: number): ServerEvent => ({
    event: 'token',
    data: JSON.stringify({ position, count, text: 'x' }),
    id: null,
  });
  let message = newAnswer('an-answer', null);
  const rate = (now: number) => rateOf(message.samples, now);
  expect(rate(0)).toBeNull();
  // 400 tokens at once, as after a refresh.
  for (let i = 0; i < 400; i++) message = applyEvent(message, token(i, 1), 10_000 + i / 10);
  for (let i = 0; i < 60; i++) message = applyEvent(message, token(400 + i, 1), 10_300 + i * 100);
  const end = 10_300 + 5900;
  expect(rate(end)).toBeGreaterThan(9);
  expect(rate(end)).toBeLessThan(11);
  // A worker that stands still writes less and less, and then nothing.
  expect(rate(end + 1000)).toBeLessThan(8);
  expect(rate(end + 3000)).toBeLessThan(3);
  expect(rate(end + 4000)).toBeNull();
});
