import { Receipt } from '@blyan/protocol/answer';
import { readCluster } from '@blyan/queue/cluster';
import { describe, expect, test } from 'vitest';
import { tokensHash } from '../src/receipt.ts';
import { openHarness, sleep, textOf, tokensOf, until } from './harness.ts';
import { proper, type Script, tokensUpTo } from './scripted-node.ts';

describe('an answer', () => {
  test('goes through, with its text, row and receipt', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const node = await t.node({ id: 'node-a' });
    const id = await t.ask({ maxTokens: 20 });
    const events = await t.events(id);
    expect(tokensOf(events)).toEqual(tokensUpTo(20));
    const end = events.at(-1);
    expect(end).toMatchObject({
      type: 'finish',
      reason: 'length',
      usage: { promptTokens: 3, completionTokens: 20 },
    });
    const row = await t.row(id);
    expect(row).toMatchObject({ status: 'completed', finishReason: 'length', attempt: 1 });
    expect(row.output).toEqual(tokensUpTo(20));
    const detokenizer = t.model.detokenizer();
    expect(row.text).toBe(detokenizer.push(tokensUpTo(20)) + detokenizer.flush());
    expect(textOf(events)).toBe(row.text);
    const receipt = Receipt.parse(row.receipt);
    expect(receipt.nodes).toEqual([
      {
        id: 'node-a',
        attempt: 1,
        layers: [0, 3],
        numerics: node.status.numerics,
        positions: [0, 20],
      },
    ]);
    const salt = Buffer.from(receipt.tokens.salt, 'hex');
    expect(receipt.tokens.hash).toBe(tokensHash(salt, [1, 2, 3], tokensUpTo(20)));
    expect(receipt.timings.firstTokenMs).toBeGreaterThan(0);
    // Nothing that a user wrote or read is logged.
    expect(JSON.stringify(t.lines)).not.toContain(String(tokensUpTo(3)));
  });

  test('ends at a stop token, whatever the node goes on to say', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const [stop] = t.model.stopTokens;
    await t.node({
      id: 'node-a',
      script: async (play) => {
        play.tokens(0, [300, 301, stop ?? 0, 302]);
        play.done(3);
      },
    });
    const id = await t.ask();
    const events = await t.events(id);
    expect(tokensOf(events)).toEqual([300, 301, stop]);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
  });

  test('ends before a stop string, and the node is told', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const detokenizer = t.model.detokenizer();
    const whole = detokenizer.push(tokensUpTo(20));
    const stop = whole.slice(10, 15);
    const node = await t.node({ id: 'node-a' });
    const id = await t.ask({ maxTokens: 500, stop: ['never in it', stop] });
    const events = await t.events(id);
    expect(textOf(events)).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    await until(() => node.controls.some((control) => control.type === 'cancel'));
  });

  test('with a NUL in it: which Postgres does not take', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const nul = 188;
    expect(t.model.detokenizer().push([nul])).toBe('\0');
    await t.node({ id: 'node-a', script: async (play) => play.tokens(0, [300, nul, 301]) });
    const id = await t.ask({ maxTokens: 3 });
    const events = await t.events(id);
    expect(textOf(events)).toContain('\ufffd');
    expect(await t.row(id)).toMatchObject({
      status: 'completed',
      text: textOf(events),
      output: [300, nul, 301],
    });
  });

  test('is whole for readers when Redis refused some of it for a while', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const refusals = () => t.lines.filter(({ message }) => message === 'an event was not stored');
    await t.node({
      id: 'node-a',
      script: async (play) => {
        const stream = `gen:${play.job.requestId}`;
        await t.redis.set(stream, 'not a stream');
        play.tokens(0, [300]);
        play.tokens(1, [301]);
        await until(() => refusals().length > 0);
        play.tokens(2, [302]);
        await t.redis.del(stream);
      },
    });
    const id = await t.ask({ maxTokens: 3 });
    expect((await t.row(id)).output).toEqual([300, 301, 302]);
    expect(tokensOf(await t.events(id))).toEqual([300, 301, 302]);
  });

  test('thinks apart from its text, by token ids', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const { open, close } = t.model.thinking ?? { open: 0, close: 0 };
    const text = (ids: number[]) => t.model.detokenizer().push(ids);
    const stop = text([302]);
    const answers = [
      [open, 302, 303, close, 304, close],
      [302, close, 303, 304, open, 305],
    ];
    await t.node({
      id: 'node-a',
      slots: 1,
      script: async (play) => {
        const tokens = answers.shift() ?? [];
        for (const [p, token] of tokens.entries()) play.tokens(p, [token]);
      },
    });
    const parts = (events: Awaited<ReturnType<typeof t.events>>) => [
      events.map((event) => ('thinking' in event ? event.thinking : '')).join(''),
      textOf(events),
    ];
    // A stop string in the thinking part ends nothing.
    const id = await t.ask({ maxTokens: 6, stop: [stop] });
    expect(parts(await t.events(id))).toEqual([text([302, 303]), text([304, close])]);
    expect(await t.row(id)).toMatchObject({
      text: text([304, close]),
      thinking: text([302, 303]),
    });
    // The prompt may have opened it; one that a user wrote in an earlier turn opens nothing.
    const [end = 0] = t.model.stopTokens;
    const opened = await t.ask({ maxTokens: 6, prompt: [open, end, 1, open, 2] });
    expect(parts(await t.events(opened))).toEqual([text([302, 305]), text([303, 304])]);
    const later: number[] = [open, 300];
    answers.push([300, 301], later);
    const quoted = await t.ask({ maxTokens: 2, prompt: [open, end, 1] });
    expect(parts(await t.events(quoted))).toEqual(['', text([300, 301])]);
  });

  test('has the log-probabilities that were asked for, and stop tokens of its own', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const logprobs = [300, 301, 302].map((id) => ({
      logprob: -id / 1000,
      top: [[id, -0.25] as [number, number]],
    }));
    const node = await t.node({
      id: 'node-a',
      script: async (play) => {
        const few = play.job.attempt === 1 ? 2 : 3;
        play.send('tokens', {
          position: 0,
          tokens: [300, 301, 302],
          logprobs: logprobs.slice(0, few),
        });
      },
    });
    const params = { logprobs: 1, stopTokens: [302], logitBias: [[5, 1.5] as [number, number]] };
    const id = await t.ask({ params });
    const events = await t.events(id);
    // A node that said too few of them was not believed.
    expect(node.jobs.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(node.jobs[0]).toMatchObject({
      params,
      stopTokens: expect.arrayContaining([...t.model.stopTokens, 302]),
    });
    const written = events.filter(({ type }) => type === 'tokens');
    expect(written).toMatchObject([{ tokens: [300, 301, 302], logprobs }]);
    const shown = events.flatMap((event) => ('shown' in event ? event.shown : []));
    expect(shown).toEqual([0, 1]);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    expect(Receipt.parse((await t.row(id)).receipt).params).toMatchObject(params);
  });

  test('waits its turn, first come first served', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const node = await t.node({ id: 'node-a', slots: 1 });
    const ids = [await t.ask({ maxTokens: 100 })];
    await until(() => node.jobs.length === 1);
    for (let i = 0; i < 4; i++) ids.push(await t.ask());
    const all = await Promise.all(ids.map((id) => t.events(id)));
    expect(node.jobs.map(({ requestId }) => requestId)).toEqual(ids);
    for (const events of all.slice(1)) expect(tokensOf(events)).toEqual(tokensUpTo(20));
  });

  /** Holds each answer until it is let go, the oldest first. */
  function gate() {
    const held: (() => void)[] = [];
    const script: Script = async (play) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await proper(play);
    };
    return { script, held, next: () => held.shift()?.() };
  }

  test('waits while all slots are taken, and is told how many are before it', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const { script, held, next } = gate();
    await t.node({ id: 'node-a', slots: 1, script });
    const ids = [await t.ask()];
    await until(() => held.length === 1);
    for (let i = 0; i < 3; i++) ids.push(await t.ask());
    const last = ids.at(-1) ?? '';
    const ahead = async () =>
      (await t.reader.read(last)).flatMap(({ event }) =>
        event.type === 'phase' && event.phase === 'queued' ? [event.ahead] : [],
      );
    for (const expected of [2, 1, 0]) {
      await until(async () => (await ahead()).at(-1) === expected && held.length === 1);
      next();
    }
    await until(() => held.length === 1);
    next();
    for (const id of ids) expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect((await ahead()).slice(-3)).toEqual([2, 1, 0]);
  });

  test('whose deadline passes while all slots are taken ends with one error', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const { script, held, next } = gate();
    const node = await t.node({ id: 'node-a', slots: 1, script });
    const first = await t.ask();
    await until(() => held.length === 1);
    const late = await t.ask({ timeoutMs: 800 });
    const events = await t.events(late);
    expect(events[0]).toMatchObject({ type: 'phase', phase: 'queued', ahead: 0 });
    expect(events.slice(1)).toMatchObject([
      { type: 'error', code: 'deadline_exceeded', message: expect.stringContaining('deadline') },
    ]);
    const row = await t.row(late);
    expect(row).toMatchObject({ status: 'failed', errorCode: 'deadline_exceeded', output: [] });
    // Who was before it lost nothing, and the node never heard of it.
    next();
    expect(tokensOf(await t.events(first))).toEqual(tokensUpTo(20));
    expect(node.jobs.map(({ requestId }) => requestId)).toEqual([first]);
  });

  test('keeps its place although its row is read late', async () => {
    await using t = await openHarness(3);
    let first: unknown;
    // The real database, with one slow answer.
    const slow = t.db.$extends({
      query: {
        request: {
          async findUnique({ args, query }) {
            first ??= args.where.id;
            if (args.where.id === first) await sleep(400);
            return query(args);
          },
        },
      },
    });
    await t.coordinator({}, { db: slow as unknown as typeof t.db });
    const node = await t.node({ id: 'node-a', slots: 1 });
    const ids = [await t.ask(), await t.ask(), await t.ask()];
    await Promise.all(ids.map((id) => t.row(id)));
    expect(node.jobs.map(({ requestId }) => requestId)).toEqual(ids);
  });

  test('is taken although its id was lost on the way', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    await t.node({ id: 'node-a' });
    await t.redis.del('blyan:intake:wait');
    const id = await t.ask();
    await t.redis.del('blyan:intake:wait', 'blyan:intake:marker');
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  });

  test('of a model that cannot be read ends with one error', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const id = await t.ask({ model: 'ee'.repeat(32) });
    expect(await t.events(id)).toMatchObject([{ type: 'error', code: 'model_unavailable' }]);
    expect(await t.row(id)).toMatchObject({ status: 'failed', errorCode: 'model_unavailable' });
  });

  test('of a model that cannot be read now is tried until its deadline', async () => {
    await using t = await openHarness(3);
    t.models.failure = new Error('Invalid `prisma.block.findMany()` invocation');
    await t.coordinator();
    const id = await t.ask({ model: 'ee'.repeat(32), timeoutMs: 500 });
    const events = await t.events(id);
    expect(events).toMatchObject([{ type: 'error', code: 'deadline_exceeded' }]);
    expect(JSON.stringify(events)).not.toContain('prisma');
    expect(await t.row(id)).toMatchObject({ status: 'failed', errorCode: 'deadline_exceeded' });
  });
});

describe('cancel', () => {
  test('keeps what was written', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const node = await t.node({ id: 'node-a' });
    const id = await t.ask({ maxTokens: 500 });
    const following = t.events(id);
    await until(() => node.jobs.length > 0);
    await sleep(100);
    await t.cancel(id);
    const events = await following;
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'cancelled' });
    const row = await t.row(id);
    expect(row.status).toBe('cancelled');
    expect(row.output.length).toBeGreaterThan(0);
    expect(row.output).toEqual(tokensUpTo(row.output.length));
    expect(row.text).toBe(textOf(events));
    await until(() => node.controls.some(({ type }) => type === 'cancel'));
  });

  test('of a waiting request, and one whose message was lost', async () => {
    await using t = await openHarness(3);
    await t.coordinator({ noNodeGraceMs: 60_000 });
    const id = await t.ask();
    await sleep(50);
    await t.db.request.update({ where: { id }, data: { cancelled: true } });
    const events = await t.events(id);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'cancelled' });
    expect((await t.row(id)).status).toBe('cancelled');
  });
});

describe('what cannot be served', () => {
  test('without a node: says that it waits, then one error', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const id = await t.ask();
    const events = await t.events(id);
    expect(events[0]).toMatchObject({ type: 'phase', phase: 'waiting' });
    expect(events.filter(({ type }) => type === 'error')).toMatchObject([{ code: 'no_worker' }]);
    expect(await t.row(id)).toMatchObject({ status: 'failed', errorCode: 'no_worker' });
  });

  test('with failed nodes only: their reason, at once', async () => {
    await using t = await openHarness(3);
    await t.coordinator({ noNodeGraceMs: 60_000 });
    const node = await t.node({ id: 'node-a' });
    const message = 'chain B, height 3: tensor model.norm.weight, chunk 0 is damaged';
    node.say({ state: 'failed', failure: { code: 'CHUNK_CORRUPT', message } });
    await until(async () => {
      const status = await readCluster(t.redis);
      return status?.nodes[0]?.status.state === 'failed';
    });
    const events = await t.events(await t.ask());
    const end = events.at(-1);
    expect(end).toMatchObject({ type: 'error', code: 'model_unavailable' });
    expect(end?.type === 'error' && end.message).toContain(message);
  });

  test('while a node loads: waits, then is answered', async () => {
    await using t = await openHarness(3);
    await t.coordinator({ noNodeGraceMs: 500 });
    const node = await t.node({ id: 'node-a' });
    const step = { phase: 'verify', done: 1, total: 2, unit: 'bytes' } as const;
    node.say({ state: 'loading', progress: step });
    await sleep(300);
    const id = await t.ask();
    setTimeout(() => node.say({ state: 'ready' }), 1500);
    const events = await t.events(id);
    expect(JSON.stringify(events[0])).toContain('verify 50%');
    expect(events.at(-1)?.type).toBe('finish');
  });

  test('by its deadline: one error, the text so far in the row', async () => {
    await using t = await openHarness(3);
    await t.coordinator();
    const node = await t.node({
      id: 'node-a',
      script: async (play) => {
        await play.run(5);
        await play.untilCancelled();
      },
    });
    const id = await t.ask({ timeoutMs: 1200 });
    const events = await t.events(id);
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'deadline_exceeded' });
    expect(await t.row(id)).toMatchObject({ status: 'failed', output: tokensUpTo(5) });
    await until(() => node.controls.some(({ type }) => type === 'cancel'));
  });
});

test('old requests are purged with their streams, others stay', async () => {
  await using t = await openHarness(3);
  const first = await t.coordinator();
  await t.node({ id: 'node-a', script: proper });
  const [old, young] = [await t.ask(), await t.ask()];
  await Promise.all([t.row(old), t.row(young)]);
  await t.db.request.update({ where: { id: old }, data: { createdAt: new Date(0) } });
  await first.stop();
  await t.coordinator();
  await until(async () => (await t.db.request.count()) === 1);
  await until(async () => (await t.redis.exists(`gen:${old}`)) === 0);
  expect(await t.redis.exists(`gen:${young}`)).toBe(1);
});

test('a request lives as long as its conversation, which is purged when it is not used', async () => {
  await using t = await openHarness(3);
  const first = await t.coordinator();
  await t.node({ id: 'node-a', script: proper });
  const converse = async (updatedAt: Date) => {
    const id = await t.ask();
    await t.row(id);
    await t.db.request.update({ where: { id }, data: { createdAt: new Date(0) } });
    const messages = { create: [{ id, role: 'assistant' as const, requestId: id }] };
    const owner = Buffer.alloc(32);
    const conversation = { id: `c-${id}`, owner, title: 't', settings: {}, updatedAt, messages };
    await t.db.conversation.create({ data: conversation });
    return id;
  };
  const [used, unused] = [await converse(new Date()), await converse(new Date(0))];
  await first.stop();
  await t.coordinator();
  await until(async () => (await t.db.request.count()) === 1);
  await until(async () => (await t.redis.exists(`gen:${unused}`)) === 0);
  expect(await t.db.conversation.findMany({ select: { id: true } })).toEqual([{ id: `c-${used}` }]);
  expect(await t.redis.exists(`gen:${used}`)).toBe(1);
});

test('what is to be erased while it is written ends, and leaves neither row nor stream', async () => {
  await using t = await openHarness(3);
  await t.coordinator();
  const node = await t.node({
    id: 'node-a',
    script: async (play) => {
      await play.run(5);
      await play.untilCancelled();
    },
  });
  const id = await t.ask();
  await until(async () => (await t.reader.read(id)).some(({ event }) => event.type === 'tokens'));
  await t.db.request.update({ where: { id }, data: { erase: true } });
  await t.cancel(id);
  await until(async () => (await t.db.request.count()) === 0);
  await until(async () => (await t.redis.exists(`gen:${id}`)) === 0);
  expect(node.controls.some(({ type }) => type === 'cancel')).toBe(true);
});
