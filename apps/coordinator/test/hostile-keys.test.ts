/** A node that spoils its own keys in Redis, as its user may: it is marked, and nobody else notices. */
import { readCluster } from '@blyan/queue/cluster';
import { nodeAssignment, nodeQueueKey, nodeStream } from '@blyan/queue/names';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHarness, tokensOf, until } from './harness.ts';
import { type Play, proper, tokensUpTo } from './scripted-node.ts';

type Harness = Awaited<ReturnType<typeof openHarness>>;
let t: Harness;
beforeEach(async () => {
  t = await openHarness(11);
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
});

async function spoil(key: string): Promise<void> {
  await t.redis.multi().del(key).hset(key, 'a', 'hash').exec();
}
const marked = async () => {
  const rows = await t.db.node.findMany({ where: { mark: { not: null } }, orderBy: { id: 'asc' } });
  return rows.map(({ id }) => id);
};
const areHeard = (count: number) =>
  until(async () => {
    const nodes = (await readCluster(t.redis))?.nodes ?? [];
    return nodes.filter(({ serving }) => serving).length === count;
  });
const isMarked = (id: string) => until(async () => (await marked()).includes(id));

test('a stream that is none any more: its node is marked, and what others write arrives', async () => {
  await t.coordinator();
  await t.node({ id: 'node-a', script: (play) => play.run(20, 60) });
  const id = await t.ask();
  await until(async () => (await t.reader.read(id)).some(({ event }) => event.type === 'tokens'));
  const hostile = await t.node({ id: 'node-b', slots: 0 });
  hostile.freeze();
  await spoil(nodeStream('node-b'));
  await isMarked('node-b');
  expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  expect(await t.row(id)).toMatchObject({ status: 'completed', attempt: 1 });
  expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
  expect(await marked()).toEqual(['node-b']);
});

test('a coordinator starts, listens and sweeps, whatever it finds under the names of nodes', async () => {
  for (const id of ['node-a', 'node-b', 'node-c']) {
    const node = await t.node({ id, slots: 0 });
    node.freeze();
  }
  await spoil(nodeStream('node-a'));
  await spoil(nodeAssignment('node-b'));
  await spoil(nodeQueueKey('node-c', 'wait'));
  await t.node({ id: 'node-d' });
  // Of an attempt that ended while its node and all coordinators were away.
  const leftover = `${'r'.repeat(20)}-1`;
  await t.redis.rpush(nodeQueueKey('node-d', 'active'), leftover);
  await t.redis.hset(nodeQueueKey('node-d', leftover), 'data', '{"prompt":[1,2,3]}');
  await t.coordinator();
  await until(async () => (await t.redis.exists(nodeQueueKey('node-d', leftover))) === 0);
  expect(await t.redis.llen(nodeQueueKey('node-d', 'active'))).toBe(0);
  for (const id of ['node-a', 'node-b', 'node-c']) await isMarked(id);
  expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
  expect(await marked()).toEqual(['node-a', 'node-b', 'node-c']);
});

test('queues that refuse a job use up none of the attempts of its answer', async () => {
  await t.coordinator({ noNodeGraceMs: 10_000 });
  const hostile = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'];
  for (const id of hostile) {
    await t.node({ id });
    await spoil(nodeQueueKey(id, 'wait'));
  }
  await areHeard(hostile.length);
  const id = await t.ask();
  // Each of them is asked once.
  await until(async () => (await marked()).length === hostile.length);
  let tries = 0;
  const script = async (play: Play) => {
    if (tries++ > 0) return proper(play);
    play.send('fail', { code: 'SESSION_FAILED', message: 'once', retry: true });
  };
  const honest = await t.node({ id: 'node-f', script });
  expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  expect(await t.row(id)).toMatchObject({ status: 'completed', attempt: 7 });
  expect(honest.jobs.map(({ attempt }) => attempt)).toEqual([6, 7]);
  expect(await marked()).toEqual(hostile);
});

test('a queue that refuses for what is in its keys costs its node no mark', async () => {
  await t.coordinator();
  await t.node({ id: 'node-a' });
  await t.redis.set(nodeQueueKey('node-a', 'id'), 'no number');
  await areHeard(1);
  const id = await t.ask();
  const refusals = () => t.lines.filter(({ message }) => message === 'dispatch failed').length;
  await until(() => refusals() >= 2);
  const honest = await t.node({ id: 'node-b' });
  expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  expect(honest.jobs).toHaveLength(1);
  expect(await marked()).toEqual([]);
});
