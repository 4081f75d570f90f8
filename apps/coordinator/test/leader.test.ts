/** Several coordinators on one database and one Redis: one leads, and a former leader changes nothing. */
import { Receipt } from '@blyan/protocol/answer';
import { readCluster } from '@blyan/queue/cluster';
import { TERM_KEY } from '@blyan/queue/names';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cuttable } from '../../../packages/queue/test/support.ts';
import { Lease } from '../src/leader/lease.ts';
import { openHarness, sleep, tokensOf, until } from './harness.ts';
import { proper, tokensUpTo } from './scripted-node.ts';

type Harness = Awaited<ReturnType<typeof openHarness>>;
let t: Harness;
beforeEach(async () => {
  t = await openHarness(6);
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
});

describe('the lease', () => {
  test('has one holder, a number that rises, and passes on when it lapses or is given back', async () => {
    const [a, b] = ['a', 'b'].map((holder) => new Lease(t.db, { holder, ttlMs: 300 })) as [
      Lease,
      Lease,
    ];
    const taken = await Promise.all([a.acquire(0n), b.acquire(0n)]);
    const first = taken.find((token) => token !== null) as bigint;
    expect(taken).toContain(null);
    const [holder, other] = taken[0] === null ? [b, a] : [a, b];
    await sleep(200);
    expect(await holder.renew(first)).toBe(true);
    await sleep(200);
    expect(await other.acquire(0n)).toBeNull();
    await sleep(150);
    // Lapsed, but nobody took it.
    expect(await holder.renew(first)).toBe(true);
    await sleep(350);
    const second = await other.acquire(0n);
    expect(second).toBe(first + 1n);
    expect(await holder.renew(first)).toBe(false);
    await holder.release(first);
    expect(await holder.acquire(0n)).toBeNull();
    await other.release(second as bigint);
    // Numbers that another database gave out are not given out again.
    expect(await holder.acquire(1000n)).toBe(1001n);
  });
});

describe('two coordinators', () => {
  const messages = () => t.lines.map(({ message }) => message);

  test('the second stands by, and goes on with the answers when the first stops', async () => {
    // Long enough for a busy machine: here it is given back.
    const first = await t.coordinator({ leaseMs: 20_000 });
    await t.coordinator({ leaseMs: 20_000 });
    expect(messages()).toContain('standing by: another coordinator leads');
    const node = await t.node({
      id: 'node-a',
      script: async (play) => {
        if (play.job.attempt > 1) return proper(play);
        await play.run(8);
        await play.untilCancelled();
      },
    });
    const id = await t.ask();
    const following = t.events(id);
    await until(async () => tokensOf((await t.reader.read(id)).map((e) => e.event)).length === 8);
    const stopped = performance.now();
    await first.stop();
    const events = await following;
    expect(performance.now() - stopped).toBeLessThan(3000);
    expect(tokensOf(events)).toEqual(tokensUpTo(20));
    expect(node.jobs.map(({ attempt, emitted }) => [attempt, emitted.length])).toEqual([
      [1, 0],
      [2, 8],
    ]);
    const receipt = Receipt.parse((await t.row(id)).receipt);
    expect(receipt.nodes.map(({ positions }) => positions)).toEqual([
      [0, 8],
      [8, 20],
    ]);
  });

  test('a leader that alone does not reach Redis is replaced, and stands by when it does again', async () => {
    await using way = await cuttable(t.url);
    await t.coordinator({ redisUrl: way.url, redisSilentMs: 1500, leaseMs: 3000, renewMs: 200 });
    await t.coordinator({ leaseMs: 5000 });
    expect(messages()).toContain('standing by: another coordinator leads');
    await t.node({ id: 'node-a' });
    way.cut();
    const id = await t.ask();
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect(messages()).toContain('Redis does not answer this coordinator');
    way.mend();
    const standing = (text: string) => text.startsWith('standing by');
    await until(() => messages().filter(standing).length === 2);
  });

  test('a leader that does not know that it was replaced writes nothing', async () => {
    // It never renews: to itself it leads on, as after a long sleep.
    await t.coordinator({ leaseMs: 400, renewMs: 60_000 });
    const node = await t.node({ id: 'node-a', script: async (play) => play.untilCancelled() });
    const id = await t.ask();
    await until(() => node.jobs.length === 1);
    await t.coordinator();
    await until(() => messages().filter((text) => text === 'leading').length === 2);
    await until(() => node.jobs.length === 2);
    // Of the attempt that the first one gave: it takes this for the next token.
    const { requestId } = node.jobs[0]!;
    node.write({ type: 'tokens', requestId, attempt: 1, position: 0, tokens: [1] });
    await until(() => messages().includes('another coordinator leads'));
    for (let p = 0; p < 20; p++)
      node.write({ type: 'tokens', requestId, attempt: 2, position: p, tokens: [300 + p] });
    const events = await t.events(id);
    expect(tokensOf(events)).toEqual(Array.from({ length: 20 }, (_, p) => 300 + p));
    expect(events.filter(({ type }) => type === 'finish')).toHaveLength(1);
    const row = await t.row(id);
    expect(row).toMatchObject({ status: 'completed', attempt: 2 });
    expect(row.attempts).toHaveLength(2);
  });

  test('a leader that does not know that it was replaced takes no attempt from a node', async () => {
    await t.coordinator();
    // Nobody else's: the tests of other files share the channels of the same server.
    const node = await t.node({ id: 'node-told' });
    await until(async () => (await readCluster(t.redis))?.nodes[0]?.alive === true);
    /** An event of an answer that this coordinator knows nothing of. */
    const write = (requestId: string) =>
      node.write({ type: 'tokens', requestId, attempt: 1, position: 0, tokens: [1] });
    const cancelled = () =>
      node.controls.flatMap((told) => (told.type === 'cancel' ? [told.requestId] : []));
    write('request-that-was-before');
    await until(() => cancelled().includes('request-that-was-before'));
    // The next one has begun.
    await t.redis.set(TERM_KEY, '1000');
    write('request-of-the-next-leader');
    await until(() => messages().filter((text) => text === 'leading').length === 2);
    write('request-that-came-after');
    await until(() => cancelled().includes('request-that-came-after'));
    expect(cancelled()).toEqual(['request-that-was-before', 'request-that-came-after']);
  });
});
