import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { holdLine } from '../src/chat/connection.ts';
import { applyEvent, newAnswer } from '../src/chat/reduce.ts';
import { Conversation } from '../src/chat/store.ts';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { visibilityState: 'hidden' });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const token = (position: number, text: string) =>
  `event: token\nid: ${position + 1}-0\ndata: ${JSON.stringify({ position, count: 1, text })}\n\n`;
const DONE = 'event: done\nid: 9-0\ndata: {"id":"an-answer","text":"!","finish_reason":"stop"}\n\n';

interface Opened {
  id: string;
  from: string | null;
  write(text: string): void;
  end(): void;
  signal: AbortSignal;
}

/** Every line that a page has opened, as the server sees it. */
function lines(): Opened[] {
  const opened: Opened[] = [];
  const encoder = new TextEncoder();
  vi.stubGlobal('fetch', async (path: string, { headers, signal }: RequestInit) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        signal?.addEventListener('abort', () => controller.error(signal.reason));
        opened.push({
          id: path.split('=')[1] ?? '',
          from: new Headers(headers).get('last-event-id'),
          write: (text) => controller.enqueue(encoder.encode(text)),
          end: () => controller.close(),
          signal: signal as AbortSignal,
        });
      },
    });
    return new Response(body);
  });
  return opened;
}

test('a silent line is taken for broken after 45 s, and taken up where it was', async () => {
  const opened = lines();
  let message = { ...newAnswer('an-answer', null), accepted: true };
  const held = holdLine({
    signal: new AbortController().signal,
    current: () => message,
    ask: async () => undefined,
    isRead: () => true,
    event: (event) => {
      message = applyEvent(message, event, Date.now());
    },
    update: (next) => {
      message = next;
    },
  });
  await vi.advanceTimersByTimeAsync(0);
  opened[0]?.write(token(0, 'Hel'));
  // Its comments alone keep it.
  for (let i = 0; i < 8; i++) {
    await vi.advanceTimersByTimeAsync(15_000);
    opened[0]?.write(': keep-alive\n\n');
  }
  // Half an event is lost with its line.
  opened[0]?.write(token(1, 'lo').slice(0, -2));
  await vi.advanceTimersByTimeAsync(44_000);
  expect(opened).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(opened[0]?.signal.aborted).toBe(true);
  expect(opened).toHaveLength(2);
  expect(opened[1]?.from).toBe('1-0');
  opened[1]?.write(token(1, 'lo') + DONE);
  await held;
  expect(message).toMatchObject({ status: 'done', text: 'Hello!', offline: false });
});

const deps = {
  ask: async () => undefined,
  read: async () => null,
  select: async () => undefined,
  changed: () => undefined,
};
const answerOf = (conversation: Conversation) => {
  const last = conversation.snapshot.turns.at(-1)?.parts[0];
  return last?.role === 'assistant' ? last : undefined;
};

test('a line is open while its conversation is shown, and goes on where it was', async () => {
  const opened = lines();
  const conversation = new Conversation('c', { fresh: true }, deps);
  conversation.show(true);
  conversation.send('Hello?');
  await vi.advanceTimersByTimeAsync(10);
  expect(opened).toHaveLength(1);
  opened[0]?.write(token(0, 'Hel'));
  await vi.advanceTimersByTimeAsync(10);
  conversation.show(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(opened[0]?.signal.aborted).toBe(true);
  expect(opened).toHaveLength(1);
  expect(answerOf(conversation)).toMatchObject({ text: 'Hel', status: 'writing' });
  // Away and back before the line has noticed.
  conversation.show(true);
  conversation.show(false);
  conversation.show(true);
  await vi.advanceTimersByTimeAsync(10);
  expect(opened.filter(({ signal }) => !signal.aborted)).toHaveLength(1);
  const last = opened.at(-1);
  expect(last?.from).toBe('1-0');
  last?.write(token(1, 'lo') + DONE);
  await vi.advanceTimersByTimeAsync(10);
  expect(answerOf(conversation)).toMatchObject({ text: 'Hello!', status: 'done' });
});

test('a question is asked although its conversation is left at once; nobody times its first token', async () => {
  const opened = lines();
  const asked: string[] = [];
  const conversation = new Conversation(
    'c',
    { fresh: true },
    {
      ...deps,
      ask: async ({ question }) => {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        asked.push(question?.text ?? '');
      },
    },
  );
  conversation.show(true);
  conversation.send('Hello?');
  conversation.show(false);
  await vi.advanceTimersByTimeAsync(2000);
  expect(asked).toEqual(['Hello?']);
  expect(opened).toHaveLength(0);
  conversation.show(true);
  await vi.advanceTimersByTimeAsync(10);
  opened[0]?.write(token(0, 'Hel'));
  await vi.advanceTimersByTimeAsync(10);
  expect(answerOf(conversation)).toMatchObject({ text: 'Hel', askedHere: true, askedAt: null });
  conversation.close();
});
