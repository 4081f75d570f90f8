import { Receipt } from '@blyan/protocol/answer';
import { MAX_EVENT_BYTES } from '@blyan/protocol/limits';
import { readCluster } from '@blyan/queue/cluster';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openHarness, sleep, tokensOf, until } from './harness.ts';
import { type Play, proper, type Script, tokenAt, tokensUpTo } from './scripted-node.ts';

type Harness = Awaited<ReturnType<typeof openHarness>>;
let t: Harness;
beforeEach(async () => {
  t = await openHarness(4);
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
});

/** Misbehaves at the first attempt, and then does what it should. */
const onceThenProper = (bad: Script): Script => {
  let first = true;
  return async (play) => {
    if (!first) return await proper(play);
    first = false;
    await bad(play);
    await play.untilCancelled();
  };
};

async function expectWhole(id: string, attempts: number) {
  const events = await t.events(id);
  expect(tokensOf(events)).toEqual(tokensUpTo(20));
  expect(events.at(-1)?.type).toBe('finish');
  expect(events.filter(({ type }) => type === 'attempt')).toHaveLength(attempts - 1);
  expect(await t.row(id)).toMatchObject({ status: 'completed', attempt: attempts });
}

describe('events that are not as asked', () => {
  test('a repeat is dropped', async () => {
    await t.coordinator();
    await t.node({
      id: 'node-a',
      script: async (play) => {
        for (let p = 0; p < 20; p++) {
          play.tokens(p);
          await sleep(2);
          // The same again, and once more together with the one before.
          play.tokens(p);
          if (p > 0) play.tokens(p - 1, [tokenAt(p - 1), tokenAt(p)]);
        }
      },
    });
    await expectWhole(await t.ask(), 1);
  });

  const sendLogprob = (play: Play, logprob: number) =>
    play.send('tokens', { position: 5, tokens: [tokenAt(5)], logprobs: [{ logprob, top: [] }] });
  const violations: [string, (play: Play) => void | Promise<void>][] = [
    ['a gap', (play) => play.tokens(7)],
    ['another token at a written position', (play) => play.tokens(4, [tokenAt(4) + 1])],
    ['a token out of the vocabulary', (play) => play.tokens(5, [t.model.vocab])],
    ['more tokens than asked for', (play) => play.tokens(5, tokensUpTo(40).slice(5))],
    [
      'an attempt that was never given',
      (play) => {
        const { requestId, attempt } = play.job;
        play.node.write({
          type: 'tokens',
          requestId,
          attempt: attempt + 1,
          position: 5,
          tokens: [1],
        });
      },
    ],
    ['log-probabilities that nobody asked for', (play) => sendLogprob(play, -1)],
    ['a log-probability above 0', (play) => sendLogprob(play, 0.5)],
    ['an early end', (play) => play.done(5)],
    ['a lie about the end', (play) => play.done(20)],
    ['prefill of more than there is', (play) => play.send('prefill', { done: 99, total: 99 })],
    [
      'a status with a NUL, which no row can have',
      ({ node }) => {
        const numerics = { ...node.status.numerics, provider: 'c\0pu' };
        return node.writeRaw(JSON.stringify({ ...node.status, numerics }));
      },
    ],
    [
      'an end that it lies about',
      (play) => play.send('fail', { code: 'context_length_exceeded', message: 'ha', retry: false }),
    ],
    [
      'an end in its own words',
      (play) => play.send('fail', { code: 'BUY', message: 'my coin', retry: false }),
    ],
    ['an oversized event', (play) => play.node.writeRaw(`"${'x'.repeat(MAX_EVENT_BYTES)}"`)],
    ['no event at all', (play) => play.node.writeRaw('tokens, please')],
  ];
  /** What a lost event explains, too, or says nothing about the node. */
  const accidents = [
    'a gap',
    'an early end',
    'a lie about the end',
    'an end that it lies about',
    'an end in its own words',
  ];
  for (const [name, violate] of violations) {
    const isLie = !accidents.includes(name);
    const then = isLie ? 'on another node, and the liar gets no more' : 'on the same node';
    test(`${name}: the attempt is over, the answer goes on ${then}`, async () => {
      await t.coordinator();
      const bad = async (play: Play) => {
        await play.run(5, 1);
        await sleep(30);
        await violate(play);
      };
      const node = await t.node({ id: 'node-a', script: onceThenProper(bad) });
      const id = await t.ask();
      await until(() => node.jobs.length > 0);
      if (isLie) await t.node({ id: 'node-b' });
      await expectWhole(id, 2);
      expect(node.jobs).toHaveLength(isLie ? 1 : 2);
      const row = await t.db.node.findUniqueOrThrow({ where: { id: 'node-a' } });
      expect(row.mark !== null).toBe(isLie);
    });
  }

  test('a marked node serves again when an admin has lifted the mark', async () => {
    await t.coordinator({ noNodeGraceMs: 10_000 });
    const bad = async (play: Play) => play.tokens(0, [t.model.vocab]);
    await t.node({ id: 'node-a', script: onceThenProper(bad) });
    const id = await t.ask();
    const row = () => t.db.node.findUniqueOrThrow({ where: { id: 'node-a' } });
    await until(async () => (await row()).mark !== null);
    await sleep(300);
    expect((await t.reader.read(id)).at(-1)?.event).toMatchObject({ phase: 'waiting' });
    await t.db.node.update({ where: { id: 'node-a' }, data: { mark: null, markedAt: null } });
    await expectWhole(id, 2);
  });

  test('of another node are none, and who wrote them is marked', async () => {
    await t.coordinator();
    const liar = await t.node({ id: 'node-b', slots: 0 });
    await t.node({
      id: 'node-a',
      script: async (play) => {
        await play.run(10);
        const { requestId, attempt } = play.job;
        liar.write({ type: 'tokens', requestId, attempt, position: 10, tokens: [1, 1, 1] });
        liar.write({
          type: 'fail',
          requestId,
          attempt,
          code: 'OUT',
          message: 'of order',
          retry: false,
        });
        await sleep(100);
        for (let p = 10; p < 20; p++) play.tokens(p);
      },
    });
    await expectWhole(await t.ask(), 1);
    const problem = 'sent a wrong event: an event of an answer that was never its own';
    const marks = async () => {
      const rows = await t.db.node.findMany({ orderBy: { id: 'asc' } });
      return rows.map(({ id, mark }) => [id, mark]);
    };
    await until(async () => (await marks()).some(([, mark]) => mark !== null));
    expect(await marks()).toEqual([
      ['node-a', null],
      ['node-b', problem],
    ]);
    expect(t.lines).toContainEqual({
      fields: { nodeId: 'node-b', problem },
      message: 'a node broke its word',
    });
    // It would have room now, and gets nothing more.
    liar.say({ slots: 4 });
    await sleep(300);
    for (let i = 0; i < 3; i++) await expectWhole(await t.ask(), 1);
    expect(liar.jobs).toEqual([]);
  });

  test('five broken attempts are enough', async () => {
    await t.coordinator();
    await t.node({ id: 'node-a', script: async (play) => play.tokens(3) });
    const events = await t.events(await t.ask());
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'attempts_exhausted' });
    expect(tokensOf(events)).toEqual([]);
  });

  test('a request that no node can serve ends, in our words', async () => {
    await t.coordinator();
    const node = await t.node({
      id: 'node-a',
      script: async (play) =>
        play.send('fail', { code: 'context_length_exceeded', message: 'buy', retry: false }),
    });
    node.say({ context: t.model.context });
    const events = await t.events(await t.ask({ maxTokens: t.model.context }));
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'context_length_exceeded' });
    expect(JSON.stringify(events)).not.toContain('buy');
  });

  test('what a node says never reaches a reader', async () => {
    await t.coordinator();
    const message = 'buy my coin';
    await t.node({
      id: 'node-a',
      script: async (play) => play.send('fail', { code: 'BUY', message, retry: true }),
    });
    const events = await t.events(await t.ask());
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'attempts_exhausted' });
    expect(JSON.stringify(events)).not.toContain(message);
  });

  test('a node with less room than the answer needs gets no part of it', async () => {
    await t.coordinator();
    const small = await t.node({
      id: 'node-b',
      script: async (play) => {
        await play.run(5);
        play.done(5);
      },
    });
    small.say({ context: 8 });
    await sleep(100);
    await t.node({ id: 'node-a' });
    await expectWhole(await t.ask(), 1);
    expect(small.jobs).toEqual([]);
  });

  test('an event that cannot be handled ends its attempt only', async () => {
    const { detokenizer } = t.model;
    let first = true;
    t.model.detokenizer = () => {
      if (!first) return detokenizer();
      first = false;
      let broken = true;
      const inner = detokenizer();
      return {
        push(ids) {
          if (broken) {
            broken = false;
            throw new Error('an odd vocabulary');
          }
          return inner.push(ids);
        },
        flush: () => inner.flush(),
        get pending() {
          return inner.pending;
        },
      };
    };
    await t.coordinator();
    await t.node({ id: 'node-a' });
    await expectWhole(await t.ask(), 2);
    await expectWhole(await t.ask(), 1);
  });
});

describe('nodes that go away', () => {
  test('a silent node: another one goes on at the very next token', async () => {
    await t.coordinator();
    const first = await t.node({
      id: 'node-a',
      script: async (play) => {
        await play.run(8);
        play.node.freeze();
        await sleep(4000);
        // It thaws, and goes on where it was.
        play.node.thaw();
        for (let p = 8; p < 20; p++) play.tokens(p, [1]);
      },
    });
    const id = await t.ask();
    await until(() => first.jobs.length > 0);
    const second = await t.node({ id: 'node-b' });
    await expectWhole(id, 2);
    expect(second.jobs[0]).toMatchObject({ attempt: 2, emitted: tokensUpTo(8) });
    const receipt = Receipt.parse((await t.row(id)).receipt);
    expect(receipt.nodes.map((node) => [node.id, node.positions])).toEqual([
      ['node-a', [0, 8]],
      ['node-b', [8, 20]],
    ]);
  });

  test('a node that was frozen gets nothing before it has been well for a while', async () => {
    await t.coordinator({ steadyMs: 1500 });
    const frozen = await t.node({
      id: 'node-a',
      script: async (play) => {
        if (play.job.attempt === 1 && frozen.jobs.length === 1) {
          play.node.freeze();
          return play.untilCancelled();
        }
        await play.run(20, 1);
      },
    });
    const id = await t.ask();
    await until(() => frozen.jobs.length > 0);
    const other = await t.node({ id: 'node-b' });
    await expectWhole(id, 2);
    frozen.thaw();
    await sleep(200);
    // It has the most room, and is not chosen.
    const held = await t.ask({ maxTokens: 300 });
    await until(() => other.jobs.length === 2);
    await t.events(await t.ask());
    expect(frozen.jobs).toHaveLength(1);
    await t.events(held);
    await sleep(1500);
    other.say({ state: 'draining' });
    await sleep(50);
    await t.events(await t.ask());
    expect(frozen.jobs).toHaveLength(2);
  });

  test('a node that an admin drains finishes what it has, an evicted one does not', async () => {
    await t.coordinator();
    const node = await t.node({ id: 'node-a', script: (play) => play.run(20, 600) });
    const id = await t.ask();
    await until(() => node.jobs.length > 0);
    const other = await t.node({ id: 'node-b' });
    await t.db.node.update({ where: { id: 'node-a' }, data: { draining: true } });
    await sleep(3500);
    await t.events(await t.ask());
    expect(node.jobs).toHaveLength(1);
    expect((await t.db.request.findUniqueOrThrow({ where: { id } })).attempt).toBe(1);
    await t.db.node.update({ where: { id: 'node-a' }, data: { evictedAt: new Date() } });
    await expectWhole(id, 2);
    expect(other.jobs).toHaveLength(2);
  });

  test('a restarted node: its answers move at once', async () => {
    await t.coordinator({ nodeLostMs: 60_000 });
    const node = await t.node({
      id: 'node-a',
      script: onceThenProper(async (play) => {
        await play.run(8);
        await sleep(50);
        play.node.say({ boot: 'node-a-2' });
      }),
    });
    await expectWhole(await t.ask(), 2);
    expect(node.jobs[1]).toMatchObject({ attempt: 2, emitted: tokensUpTo(8) });
  });

  test('a killed node that does not come back: one error, in time', async () => {
    await t.coordinator();
    const node = await t.node({
      id: 'node-a',
      script: async (play) => {
        await play.run(8);
        play.node.freeze();
        await play.untilCancelled();
      },
    });
    const id = await t.ask();
    await until(() => node.jobs.length > 0);
    const killed = Date.now();
    const events = await t.events(id);
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'no_worker' });
    expect(events.filter(({ type }) => type === 'error')).toHaveLength(1);
    expect(Date.now() - killed).toBeLessThan(6000);
    expect((await t.row(id)).output).toEqual(tokensUpTo(8));
  });
});

describe('a job that cannot be handed over', () => {
  test('while its node falls silent: the answer waits once, and goes on once', async () => {
    const counter = 'blyan:node:node-a:jobs:id';
    let claims = 0;
    // The real database; behind the first claim Redis stands still, for the node, too.
    const db = t.db.$extends({
      query: {
        async $queryRaw({ args, query }) {
          const result = await query(args);
          if (!args.sql.includes('claimed') || ++claims > 1) return result;
          // No job can be added while its queue cannot count.
          await t.redis.set(counter, 'no number');
          await t.redis.call('CLIENT', 'PAUSE', '2500', 'WRITE');
          return result;
        },
      },
    });
    await t.coordinator({ noNodeGraceMs: 10_000 }, { db: db as unknown as typeof t.db });
    // Slowly enough for a place in the waiting line that was left behind to be seen.
    const node = await t.node({ id: 'node-a', slots: 1, script: (play) => play.run(20, 100) });
    const id = await t.ask();
    await until(() => claims > 0);
    await sleep(100);
    // Behind the job that is on its way.
    await t.redis.del(counter);
    await until(async () => (await readCluster(t.redis))?.running === 1 && node.jobs.length > 0);
    expect((await readCluster(t.redis))?.waiting).toBe(0);
    await expectWhole(id, 2);
    expect(node.jobs.map(({ attempt }) => attempt)).toEqual([2]);
    expect(t.lines.map(({ message }) => message)).toContain('dispatch failed');
  });
});

describe('a coordinator that restarts', () => {
  test('goes on with the answers that run', async () => {
    const coordinator = await t.coordinator();
    const node = await t.node({
      id: 'node-a',
      script: onceThenProper(async (play) => {
        await play.run(8);
      }),
    });
    const id = await t.ask();
    const following = t.events(id);
    await until(async () => {
      const entries = await t.reader.read(id);
      return tokensOf(entries.map(({ event }) => event)).length === 8;
    });
    await coordinator.stop();
    expect((await t.db.request.findUniqueOrThrow({ where: { id } })).status).toBe('running');
    await t.coordinator();
    expect(tokensOf(await following)).toEqual(tokensUpTo(20));
    expect(node.jobs[1]).toMatchObject({ attempt: 2, emitted: tokensUpTo(8) });
    await expectWhole(id, 2);
  });

  test('completes a row whose stream has ended', async () => {
    const first = await t.coordinator();
    await t.node({ id: 'node-a' });
    const id = await t.ask();
    const before = await t.row(id);
    await first.stop();
    // As if it had died between the two writes.
    await t.db.request.update({
      where: { id },
      data: { status: 'running', output: [], text: null, receipt: {}, finishReason: null },
    });
    await t.coordinator();
    const after = await t.row(id);
    expect(after).toMatchObject({ status: 'completed', text: before.text, output: before.output });
    expect(after.receipt).toEqual(before.receipt);
    expect((await t.events(id)).filter(({ type }) => type === 'finish')).toHaveLength(1);
  });

  test('ends an answer of which only the end is missing', async () => {
    const first = await t.coordinator();
    await t.node({ id: 'node-a' });
    const id = await t.ask();
    await t.row(id);
    await first.stop();
    await t.redis.xdel(`gen:${id}`, '21-0');
    await t.redis.xsetid(`gen:${id}`, '20-0');
    await t.db.request.update({ where: { id }, data: { status: 'running', text: null } });
    await t.coordinator();
    await expectWhole(id, 1);
  });
});
