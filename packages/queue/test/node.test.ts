import { MAX_EVENT_BYTES } from '@blyan/protocol/limits';
import type { NodeEvent, NodeJob } from '@blyan/protocol/node';
import { describe, expect, test } from 'vitest';
import { connect, disconnect } from '../src/connection.ts';
import { ControlSubscription, tellNode } from '../src/control.ts';
import { forgetIntake, IntakeQueue, IntakeWorker } from '../src/intake.ts';
import { INTAKE_EVENTS, nodeQueueEvents, nodeStream } from '../src/names.ts';
import { NodeJobWorker, NodeQueues } from '../src/node-queue.ts';
import { type NodeMessage, NodeStreamReader } from '../src/node-reader.ts';
import { NodeStreamWriter } from '../src/node-stream.ts';
import { newJob, newRequestId, quiet, recorder, redisUrl, sleep } from './support.ts';

const url = redisUrl(2);

async function open() {
  const redis = connect(url, { name: 'test', logger: quiet });
  await redis.flushdb();
  return { redis, [Symbol.asyncDispose]: () => disconnect(redis) };
}

const tokens = (requestId: string, position: number, ...ids: number[]): NodeEvent => ({
  type: 'tokens',
  requestId,
  attempt: 1,
  position,
  tokens: ids,
});

describe('node stream', () => {
  test('keeps the order of an answer, and reads it back', async () => {
    await using t = await open();
    const [a, b] = [newRequestId(), newRequestId()];
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-a', t.redis);
    await using writer = new NodeStreamWriter({ redis: t.redis, nodeId: 'node-a', logger: quiet });
    for (let i = 0; i < 5; i++) {
      writer.write(tokens(a, i, i));
      writer.write(tokens(b, i, i));
    }
    const done = { type: 'done', attempt: 1, count: 5, prefillMs: 1, decodeMs: 2 } as const;
    writer.write({ ...done, requestId: a });
    writer.write({ ...done, requestId: b });
    await writer.flush();
    const seen = await take(reader, (messages) => messages.length >= 12);
    for (const id of [a, b]) {
      const events = seen.flatMap(({ event }) =>
        event && event.type !== 'status' && event.requestId === id ? [event] : [],
      );
      expect(events.flatMap((e) => (e.type === 'tokens' ? e.tokens : []))).toEqual([0, 1, 2, 3, 4]);
      expect(events.at(-1)?.type).toBe('done');
    }
  });

  test('what is malformed is reported, not thrown', async () => {
    await using t = await open();
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-b', t.redis);
    const key = nodeStream('node-b');
    await t.redis.xadd(key, '*', 'e', '{');
    await t.redis.xadd(key, '*', 'other', '{}');
    await t.redis.xadd(key, '*', 'e', '{"type":"tokens","requestId":"x"}');
    await t.redis.xadd(key, '*', 'e', `"${'x'.repeat(MAX_EVENT_BYTES)}"`);
    await t.redis.xadd(key, '*', 'e', JSON.stringify(tokens(newRequestId(), 0, -1)));
    const seen = await take(reader, (messages) => messages.length >= 5);
    expect(seen.every((message) => message.nodeId === 'node-b' && message.problem)).toBe(true);
    expect(seen[3]?.problem).toContain('bytes');
  });

  test('control characters are refused, and an honest writer writes none', async () => {
    await using t = await open();
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-e', t.redis);
    const numerics = { provider: 'cpu', runtime: 'x', weights: [], matmul: 'f32', kv: 'f32' };
    const status = { type: 'status', boot: 'b', version: '1', state: 'ready', slots: 1 };
    const bad = [
      { ...status, boot: '\0' },
      { ...status, version: '1\n' },
      { ...status, numerics: { ...numerics, provider: 'c\0pu' } },
      { ...status, numerics: { ...numerics, weights: ['é'] } },
      { ...status, failure: { code: 'A\0', message: '' } },
      { ...status, failure: { code: 'A', message: 'a\0' } },
      { ...status, notices: ['\u001b[2J'] },
    ];
    const all = [...bad, { ...status, numerics, notices: ['é'] }];
    for (const event of all)
      await t.redis.xadd(nodeStream('node-e'), '*', 'e', JSON.stringify(event));
    await using writer = new NodeStreamWriter({ redis: t.redis, nodeId: 'node-e', logger: quiet });
    const failed = { requestId: newRequestId(), attempt: 1, code: 'X', retry: true };
    writer.write({ type: 'fail', ...failed, message: 'two\r\nlines' });
    await writer.flush();
    const seen = await take(reader, (messages) => messages.length >= all.length + 1);
    expect(seen.map(({ problem }) => problem !== undefined)).toEqual([
      ...bad.map(() => true),
      false,
      false,
    ]);
    expect(seen.at(-1)?.event).toMatchObject({ message: 'two lines' });
  });

  test('starts behind what was there before it was added', async () => {
    await using t = await open();
    await using writer = new NodeStreamWriter({ redis: t.redis, nodeId: 'node-c', logger: quiet });
    writer.write(tokens(newRequestId(), 0, 1));
    await writer.flush();
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-c', t.redis);
    const id = newRequestId();
    writer.write(tokens(id, 0, 1));
    await writer.flush();
    const seen = await take(reader, (messages) => messages.length >= 1);
    expect(seen.map(({ event }) => event)).toEqual([tokens(id, 0, 1)]);
  });

  test('what was read is deleted, what was not is kept, for the next leader too', async () => {
    await using t = await open();
    const id = newRequestId();
    const written = async (...positions: number[]) => {
      await using writer = new NodeStreamWriter({
        redis: t.redis,
        nodeId: 'node-f',
        logger: quiet,
      });
      for (const position of positions) writer.write(tokens(id, position, 1));
    };
    const kept = async () => {
      const entries = await t.redis.xrange(nodeStream('node-f'), '-', '+');
      return entries.map(([, [, text = '']]) => JSON.parse(text).position);
    };
    const positions = (messages: NodeMessage[]) =>
      messages.map(({ event }) => (event?.type === 'tokens' ? event.position : undefined));
    const mayRemove = async () => undefined;
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-f', t.redis);
    await written(0, 1, 2);
    await reader.trim(t.redis, mayRemove);
    expect(await kept()).toEqual([0, 1, 2]);
    await take(reader, (messages) => messages.length >= 3);
    await written(3, 4);
    const deposed = async () => {
      throw new Error('another coordinator leads');
    };
    await expect(reader.trim(t.redis, deposed)).rejects.toThrow();
    expect(await kept()).toEqual([0, 1, 2, 3, 4]);
    await reader.trim(t.redis, mayRemove);
    expect(await kept()).toEqual([2, 3, 4]);
    expect(positions(await take(reader, ({ length }) => length >= 2))).toEqual([3, 4]);

    // The next one has begun when the first asks whether it still leads: it misses nothing.
    await using next = NodeStreamReader.open({ url, logger: quiet });
    await next.add('node-f', t.redis);
    await written(5, 6);
    let taken: NodeMessage[] = [];
    await reader.trim(t.redis, async () => {
      taken = await take(reader, ({ length }) => length >= 2);
    });
    expect(positions(taken)).toEqual([5, 6]);
    expect(await kept()).toEqual([4, 5, 6]);
    expect(positions(await take(next, ({ length }) => length >= 2))).toEqual([5, 6]);
  });
});

async function take(reader: NodeStreamReader, enough: (messages: NodeMessage[]) => boolean) {
  const stop = new AbortController();
  const seen: NodeMessage[] = [];
  for await (const batch of reader.batches(stop.signal)) {
    seen.push(...batch);
    if (enough(seen)) break;
  }
  stop.abort();
  return seen;
}

describe('node queue', () => {
  test('a job arrives at its node only, once', async () => {
    await using t = await open();
    const queues = new NodeQueues({ redis: t.redis, logger: quiet });
    const seen: [string, NodeJob][] = [];
    const worker = (nodeId: string) =>
      new NodeJobWorker({ redis: t.redis, nodeId, slots: 2, logger: quiet }, async (found) => {
        seen.push([nodeId, found]);
      });
    await using a = worker('node-a');
    await using b = worker('node-b');
    a.start();
    b.start();
    const first = newJob();
    await queues.add('node-a', first);
    await queues.add('node-a', first);
    await until(() => seen.length >= 1);
    await sleep(50);
    expect(seen).toEqual([['node-a', first]]);
    // Its id is nowhere when the leader has tidied up.
    const events = nodeQueueEvents('node-a');
    expect(JSON.stringify(await t.redis.xrange(events, '-', '+'))).toContain(first.requestId);
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add('node-a', t.redis);
    await reader.trim(t.redis, async () => undefined);
    expect(await t.redis.xlen(events)).toBe(0);
    await queues[Symbol.asyncDispose]();
  });

  test('a waiting job can be removed; unwanted ones are swept', async () => {
    await using t = await open();
    const queues = new NodeQueues({ redis: t.redis, logger: quiet });
    const [first, second, third] = [newJob(), newJob(), newJob()];
    for (const each of [first, second, third]) await queues.add('node-d', each);
    await queues.remove('node-d', first.requestId, 1);
    const replaced = async () => {
      throw new Error('another coordinator leads');
    };
    const isWanted = (requestId: string) => requestId === third.requestId;
    await expect(queues.sweep('node-d', { isWanted, mayRemove: replaced })).rejects.toThrow();
    await queues.sweep('node-d', { isWanted, mayRemove: async () => undefined });
    const seen: string[] = [];
    await using worker = new NodeJobWorker(
      { redis: t.redis, nodeId: 'node-d', slots: 1, logger: quiet },
      async (found) => {
        seen.push(found.requestId);
      },
    );
    worker.start();
    await until(() => seen.length > 0);
    await sleep(50);
    expect(seen).toEqual([third.requestId]);
    await queues[Symbol.asyncDispose]();
  });
});

test('intake hands ids over', async () => {
  await using t = await open();
  await using queue = new IntakeQueue({ redis: t.redis, logger: quiet });
  const seen: string[] = [];
  const id = newRequestId();
  {
    await using _worker = new IntakeWorker({ redis: t.redis, logger: quiet }, async (found) => {
      seen.push(found);
    });
    await queue.add(id);
    await until(() => seen.length > 0);
  }
  expect(seen).toEqual([id]);
  expect(JSON.stringify(await t.redis.xrange(INTAKE_EVENTS, '-', '+'))).toContain(id);
  await forgetIntake(t.redis);
  expect(await t.redis.xlen(INTAKE_EVENTS)).toBe(0);
  const keys = await t.redis.keys('*');
  expect(keys.filter((key) => key.includes(id))).toEqual([]);
});

test('control messages are parsed; malformed ones are dropped', async () => {
  await using t = await open();
  const { lines, logger } = recorder();
  const seen: unknown[] = [];
  await using _control = await ControlSubscription.node('node-a', { url, logger }, (message) => {
    seen.push(message);
  });
  await t.redis.publish('blyan:node:node-a:control', '{"type":"explode"}');
  await tellNode(t.redis, 'node-a', { type: 'drain' });
  await until(() => seen.length > 0);
  expect(seen).toEqual([{ type: 'drain' }]);
  expect(lines).toHaveLength(1);
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !condition(); i++) await sleep(10);
  expect(condition()).toBe(true);
}
