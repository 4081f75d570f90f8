import type { AnswerEvent } from '@blyan/protocol/answer';
import { describe, expect, test } from 'vitest';
import { type AnswerEntry, AnswerReader } from '../src/answer-reader.ts';
import { AnswerWriter } from '../src/answer-stream.ts';
import { connect, disconnect } from '../src/connection.ts';
import { answerStream } from '../src/names.ts';
import { checkTerm } from '../src/term.ts';
import { cuttable, newRequestId, quiet, redisUrl, sleep } from './support.ts';

const url = redisUrl(1);

async function open(readerUrl = url) {
  const redis = connect(url, { name: 'test', logger: quiet });
  const reader = AnswerReader.open({ url: readerUrl, logger: quiet });
  return {
    redis,
    writer: new AnswerWriter({ redis, term: { token: 1n, deposed() {} }, ttlMs: 60_000 }),
    reader,
    async [Symbol.asyncDispose]() {
      await reader[Symbol.asyncDispose]();
      await disconnect(redis);
    },
  };
}

const tokens = (position: number, ...ids: number[]): AnswerEvent => ({
  type: 'tokens',
  position,
  tokens: ids,
  text: ids.join(' '),
});
const failure: AnswerEvent = { type: 'error', code: 'no_worker', message: 'no worker' };

async function collect(entries: AsyncIterable<AnswerEntry>): Promise<AnswerEntry[]> {
  const all: AnswerEntry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

describe('canonical stream', () => {
  test('ids follow from positions', async () => {
    await using t = await open();
    const id = newRequestId();
    await Promise.all([
      t.writer.append(id, { type: 'phase', phase: 'queued', ahead: 0 }, 0),
      t.writer.append(id, { type: 'phase', phase: 'prefill', done: 1, total: 2 }, 0),
      t.writer.append(id, tokens(0, 7, 8), 0),
      t.writer.append(id, { type: 'attempt', attempt: 2, reason: 'node lost' }, 2),
      t.writer.append(id, tokens(2, 9), 2),
      t.writer.append(id, failure, 3),
    ]);
    const entries = await t.reader.read(id);
    expect(entries.map((entry) => entry.id)).toEqual(['0-1', '0-2', '1-0', '2-0', '3-0', '4-0']);
    expect(await t.writer.lastId(id)).toBe('4-0');
    expect(await t.redis.pttl(answerStream(id))).toBeGreaterThan(50_000);
  });

  test('a term that is over appends nothing, and is told so', async () => {
    await using t = await open();
    const id = newRequestId();
    let told = 0;
    const writer = (token: bigint) =>
      new AnswerWriter({
        redis: t.redis,
        term: { token, deposed: () => told++ },
        ttlMs: 60_000,
      });
    const before = await t.redis.get('blyan:term');
    const now = BigInt(before ?? 0) + 10n;
    await checkTerm(t.redis, { token: now, deposed() {} });
    await expect(writer(now - 1n).append(id, tokens(0, 7), 0)).rejects.toMatchObject({
      code: 'DEPOSED',
    });
    expect(told).toBe(1);
    expect(await t.reader.read(id)).toEqual([]);
    expect(await writer(now).append(id, tokens(0, 7), 0)).toBe('added');
    await expect(checkTerm(t.redis, { token: 1n, deposed: () => told++ })).rejects.toThrow();
    expect(told).toBe(2);
    await t.redis.del('blyan:term');
  });

  test('a repeat is told apart from a failure, and changes nothing', async () => {
    await using t = await open();
    const id = newRequestId();
    expect(await t.writer.append(id, tokens(0, 7), 0)).toBe('added');
    expect(await t.writer.append(id, tokens(0, 9), 0)).toBe('present');
    await t.redis.set(answerStream(`${id}-other`), 'not a stream');
    await expect(t.writer.append(`${id}-other`, tokens(0, 7), 0)).rejects.toMatchObject({
      code: 'REDIS_FAILED',
      retry: true,
    });
    expect((await t.reader.read(id)).map(({ event }) => event)).toEqual([tokens(0, 7)]);
  });
});

describe('follow', () => {
  test('replays, then follows, then ends', async () => {
    await using t = await open();
    const id = newRequestId();
    await t.writer.append(id, tokens(0, 1), 0);
    const all = collect(t.reader.follow(id));
    const late = collect(t.reader.follow(id, '2-0'));
    for (let i = 1; i < 50; i++) {
      await t.writer.append(id, tokens(i, i + 1), i);
    }
    await t.writer.append(id, failure, 50);
    const ids = (await all).map((entry) => entry.id);
    expect(ids).toEqual(Array.from({ length: 51 }, (_, i) => `${i + 1}-0`));
    expect((await late).map((entry) => entry.id)).toEqual(ids.slice(2));
  });

  test('a slow reader gets everything once, also past what is kept for it', async () => {
    await using t = await open();
    const id = newRequestId();
    const seen: string[] = [];
    const all = (async () => {
      for await (const entry of t.reader.follow(id)) {
        seen.push(entry.id);
        if (seen.length === 1) await sleep(200);
      }
    })();
    await t.writer.append(id, tokens(0, 1), 0);
    await sleep(50);
    const rest = Array.from({ length: 600 }, (_, i) =>
      t.writer.append(id, tokens(i + 1, i), i + 1),
    );
    await Promise.all(rest);
    await t.writer.append(id, failure, 601);
    await all;
    expect(seen).toEqual(Array.from({ length: 602 }, (_, i) => `${i + 1}-0`));
  });

  test('an entry that Redis refused is shown to nobody', async () => {
    await using t = await open();
    const id = newRequestId();
    const all = collect(t.reader.follow(id));
    await t.writer.append(id, tokens(0, 1), 0);
    await sleep(50);
    expect(await t.writer.append(id, tokens(0, 2), 0)).toBe('present');
    await t.writer.append(id, failure, 1);
    expect((await all).map(({ event }) => event)).toEqual([tokens(0, 1), failure]);
  });

  test('honours its signal, and forgets the subscription', async () => {
    await using t = await open();
    const id = newRequestId();
    const stop = new AbortController();
    const all = collect(t.reader.follow(id, '0', { signal: stop.signal }));
    await t.writer.append(id, tokens(0, 1), 0);
    await sleep(50);
    stop.abort();
    expect(await all).toHaveLength(1);
    const [, subscribers] = (await t.redis.pubsub('NUMSUB', answerStream(id))) as [string, number];
    expect(subscribers).toBe(0);
  });

  test('survives a cut connection without a gap or a repeat', async () => {
    await using way = await cuttable(url);
    await using t = await open(way.url);
    const id = newRequestId();
    const all = collect(t.reader.follow(id));
    await t.writer.append(id, tokens(0, 1), 0);
    await sleep(100);
    way.cut();
    for (let i = 1; i < 10; i++) await t.writer.append(id, tokens(i, i + 1), i);
    await sleep(100);
    way.mend();
    await sleep(100);
    for (let i = 10; i < 20; i++) await t.writer.append(id, tokens(i, i + 1), i);
    await t.writer.append(id, failure, 20);
    expect((await all).map((entry) => entry.id)).toEqual(
      Array.from({ length: 21 }, (_, i) => `${i + 1}-0`),
    );
  });

  test('a lost wake-up is made up for', async () => {
    await using t = await open();
    const id = newRequestId();
    const all = collect(t.reader.follow(id));
    await sleep(50);
    await t.redis.xadd(answerStream(id), '1-0', 'e', JSON.stringify(failure));
    expect(await all).toHaveLength(1);
  });

  test('ends when the answer cannot go on', async () => {
    await using t = await open();
    const asked: number[] = [];
    const goesOn = async () => asked.push(1) < 2;
    expect(await collect(t.reader.follow(newRequestId(), '0', { goesOn }))).toEqual([]);
    expect(asked).toHaveLength(2);
  }, 10_000);

  test('refuses a wrong id', async () => {
    await using t = await open();
    const all = collect(t.reader.follow(newRequestId(), '1-0; FLUSHALL'));
    await expect(all).rejects.toMatchObject({ code: 'ENTRY_ID_INVALID' });
  });
});
