/** A node that makes of its own keys what no honest one does: it is named, and costs nobody else. */
import type { NodeEvent, NodeJob } from '@blyan/protocol/node';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { readAssignment } from '../src/assignments.ts';
import { connect, disconnect } from '../src/connection.ts';
import { nodeAssignment, nodeQueueKey, nodeStream } from '../src/names.ts';
import { NodeQueues } from '../src/node-queue.ts';
import { type NodeMessage, NodeStreamReader } from '../src/node-reader.ts';
import { newJob, newRequestId, quiet, redisUrl } from './support.ts';

const url = redisUrl(4);
const redis = connect(url, { name: 'test', logger: quiet });
afterAll(() => disconnect(redis));
beforeEach(() => redis.flushdb());

const EVENT: NodeEvent = {
  type: 'tokens',
  requestId: newRequestId(),
  attempt: 1,
  position: 0,
  tokens: [1],
};
const write = (nodeId: string) =>
  redis.xadd(nodeStream(nodeId), '*', 'e', JSON.stringify(EVENT)) as Promise<unknown>;

const sweepAll = { isWanted: () => false, mayRemove: async () => undefined };
const forgedBy = (nodeId: string) => ({ code: 'KEYS_FORGED', details: { nodeId } });

describe('streams', () => {
  const ALL = ['node-a', 'node-b', 'node-c'];

  async function open() {
    const reader = NodeStreamReader.open({ url, logger: quiet });
    for (const id of ALL) await reader.add(id, redis);
    const stop = new AbortController();
    const heard: NodeMessage[][] = [];
    const reading = (async () => {
      for await (const batch of reader.batches(stop.signal)) heard.push(batch);
    })();
    return {
      reader,
      heard,
      until: (condition: () => boolean) => expect.poll(condition, { timeout: 5000 }).toBe(true),
      from: (nodeId: string) => heard.flat().filter((message) => message.nodeId === nodeId),
      async [Symbol.asyncDispose]() {
        stop.abort();
        await reading;
        await reader[Symbol.asyncDispose]();
      },
    };
  }

  test.each([
    ['a string', () => redis.set(nodeStream('node-b'), 'x')],
    ['a hash', () => redis.hset(nodeStream('node-b'), 'e', '{}')],
    ['a list', () => redis.rpush(nodeStream('node-b'), 'x')],
  ])('%s instead of one is reported once, and the others are heard', async (_, spoil) => {
    await using t = await open();
    await redis.del(nodeStream('node-b'));
    await spoil();
    for (const id of ['node-a', 'node-c']) await write(id);
    await t.until(() => ['node-a', 'node-b', 'node-c'].every((id) => t.from(id).length > 0));
    expect(t.from('node-b')).toEqual([
      { nodeId: 'node-b', problem: 'something else where its stream belongs' },
    ]);
    for (const id of ['node-a', 'node-c']) await write(id);
    await t.until(() => ['node-a', 'node-c'].every((id) => t.from(id).length === 2));
    // Nothing of it is left: it can be let in again.
    expect(await redis.exists(nodeStream('node-b'))).toBe(0);
    await t.reader.add('node-b', redis);
    await write('node-b');
    await t.until(() => t.from('node-b').length === 2);
    expect(t.from('node-b')[1]?.event).toEqual(EVENT);
  });

  test('one that was spoiled before it was followed is said to be, and can be followed then', async () => {
    await using t = await open();
    await redis.set(nodeStream('node-d'), 'x');
    await expect(t.reader.add('node-d', redis)).rejects.toMatchObject(forgedBy('node-d'));
    await t.reader.add('node-d', redis);
    await write('node-d');
    await t.until(() => t.from('node-d').length === 1);
  });

  test('a node that writes without pause does not hold up the others, or fill the memory', async () => {
    await using reader = NodeStreamReader.open({ url, logger: quiet });
    for (const id of ALL) await reader.add(id, redis);
    for (let i = 0; i < 100; i++) await write('node-a');
    await write('node-b');
    const batches: NodeMessage[][] = [];
    const stop = new AbortController();
    for await (const batch of reader.batches(stop.signal)) {
      batches.push(batch);
      if (batches.flat().length === 101) break;
    }
    expect(batches[0]?.some(({ nodeId }) => nodeId === 'node-b')).toBe(true);
    for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(9);
  });

  test('one that was removed is not read any more', async () => {
    await using t = await open();
    t.reader.remove('node-a');
    await write('node-a');
    await write('node-b');
    await t.until(() => t.from('node-b').length === 1);
    expect(t.from('node-a')).toEqual([]);
  });
});

test('an assignment that was made something else is its node’s doing', async () => {
  await redis.rpush(nodeAssignment('node-a'), 'x');
  await expect(readAssignment(redis, 'node-a')).rejects.toMatchObject(forgedBy('node-a'));
});

describe('queues', () => {
  async function open() {
    const queues = new NodeQueues({ redis, logger: quiet });
    return { queues, [Symbol.asyncDispose]: () => queues[Symbol.asyncDispose]() };
  }
  const waiting = (nodeId: string) => redis.llen(nodeQueueKey(nodeId, 'wait'));

  const spoil = async (name: string) => {
    await redis.del(nodeQueueKey('node-a', name));
    await redis.hset(nodeQueueKey('node-a', name), 'a', 'hash');
  };
  const spoilHash = (name: string) => redis.set(nodeQueueKey('node-a', name), 'a string');

  test.each([
    ['wait', spoil],
    ['id', spoil],
    ['events', spoil],
    ['marker', spoil],
    ['meta', spoilHash],
  ])('a wrong type of %s fails an added job by the node’s name, once', async (name, spoilt) => {
    await using t = await open();
    await spoilt(name);
    await expect(t.queues.add('node-a', newJob())).rejects.toMatchObject(forgedBy('node-a'));
    await t.queues.add('node-a', newJob());
    expect(await waiting('node-a')).toBe(1);
  });

  test.each(['wait', 'active', 'failed'])(
    'a wrong type of %s is found by sweeps and removals',
    async (name) => {
      await using t = await open();
      await spoil(name);
      await expect(t.queues.sweep('node-a', sweepAll)).rejects.toMatchObject(forgedBy('node-a'));
      await spoil(name);
      const removal = t.queues.remove('node-a', newRequestId(), 1);
      await expect(removal).rejects.toMatchObject(forgedBy('node-a'));
      await t.queues.add('node-a', newJob());
      expect(await waiting('node-a')).toBe(1);
    },
  );

  test('what a key says that has the right type is refused, but no proof', async () => {
    await using t = await open();
    await redis.set(nodeQueueKey('node-a', 'id'), 'not a number');
    await expect(t.queues.add('node-a', newJob())).rejects.toMatchObject({ code: 'KEYS_REFUSED' });
  });

  test('more jobs than were given are not walked through', async () => {
    await using t = await open();
    const ids = Array.from({ length: 1001 }, (_, i) => `${i}`);
    for (const list of ['wait', 'active', 'paused']) {
      await redis.rpush(nodeQueueKey('node-a', list), ...ids);
      const sweep = t.queues.sweep('node-a', sweepAll);
      await expect(sweep).rejects.toMatchObject(forgedBy('node-a'));
      expect(await redis.exists(nodeQueueKey('node-a', list))).toBe(0);
      await redis.rpush(nodeQueueKey('node-a', list), ...ids);
      const removal = t.queues.remove('node-a', newRequestId(), 1);
      await expect(removal).rejects.toMatchObject(forgedBy('node-a'));
    }
  });

  test('an id of megabytes is not read', async () => {
    await using t = await open();
    await redis.rpush(nodeQueueKey('node-a', 'wait'), 'x'.repeat(1e6));
    await expect(t.queues.sweep('node-a', sweepAll)).rejects.toMatchObject(forgedBy('node-a'));
  });

  test('leftovers are swept wherever they are, but for wanted and claimed ones', async () => {
    await using t = await open();
    const jobs = Array.from({ length: 130 }, newJob);
    for (const each of jobs) await t.queues.add('node-a', each);
    // Claimed: the first forty; of a worker that is gone since, but for the first ten.
    const idOf = ({ requestId, attempt }: NodeJob) => `${requestId}-${attempt}`;
    const key = (name: string) => nodeQueueKey('node-a', name);
    for (let i = 0; i < 40; i++) await redis.rpoplpush(key('wait'), key('active'));
    for (const each of jobs.slice(0, 10)) await redis.set(key(`${idOf(each)}:lock`), 'token');
    await redis.rpush(key('wait'), 'what no coordinator wrote');
    const kept = [...jobs.slice(0, 10), jobs[20]!, jobs[100]!];
    let asked = 0;
    await t.queues.sweep('node-a', {
      isWanted: (requestId) => [jobs[20], jobs[100]].some((j) => j?.requestId === requestId),
      mayRemove: async () => void asked++,
    });
    const left = [
      ...(await redis.lrange(key('wait'), 0, -1)),
      ...(await redis.lrange(key('active'), 0, -1)),
    ];
    expect(left.sort()).toEqual(kept.map(idOf).sort());
    const hashes = (await redis.keys(key('test-request-*'))).filter((k) => !k.endsWith(':lock'));
    expect(hashes.sort()).toEqual(kept.map((each) => key(idOf(each))).sort());
    expect(asked).toBe(3);
  });

  test('what a job says of its children reaches nobody else’s', async () => {
    await using t = await open();
    const [mine, theirs] = [newJob(), newJob()];
    await t.queues.add('node-a', mine);
    await t.queues.add('node-b', theirs);
    const victim = nodeQueueKey('node-b', `${theirs.requestId}-1`);
    const own = nodeQueueKey('node-a', `${mine.requestId}-1`);
    await redis.sadd(`${own}:dependencies`, victim);
    await t.queues.remove('node-a', mine.requestId, 1);
    expect(await redis.exists(own)).toBe(0);
    expect(await redis.exists(victim)).toBe(1);
    expect(await waiting('node-b')).toBe(1);
  });
});
