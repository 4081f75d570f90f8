/** The worker around its engine: a real Redis, a real child process that plays the engine. */
import path from 'node:path';
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeEvent, NodeJob, NodeStatus } from '@blyan/protocol/node';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { connect, disconnect } from '@blyan/queue/connection';
import { tellNode } from '@blyan/queue/control';
import { nodeAssignment } from '@blyan/queue/names';
import { NodeQueues } from '@blyan/queue/node-queue';
import { NodeStreamReader } from '@blyan/queue/node-reader';
import { describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { engineStarter } from '../src/engine-process.ts';
import { WorkerNode } from '../src/node.ts';

const ENTRY = path.join(import.meta.dirname, 'support/scripted-engine.mjs');
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const MODEL = 'ab'.repeat(32);
const NODE = 'node-a';

const url = new URL(inject('redisUrl'));
url.pathname = '/5';
const redisUrl = url.href;

const CAPACITY = { memoryBytes: 2 ** 30, weightBytesPerSecond: 1e9, addresses: [] };

const stage = (nodeId: string, layers: [number, number]) => ({
  nodeId,
  publicKey: '0'.repeat(64),
  layers,
  addresses: [],
});
const assignmentOf = (stages: Assignment['stages'], model = MODEL): Assignment => ({
  id: crypto.randomUUID(),
  model,
  stages,
  frames: 'f32',
});
const ALONE = [stage(NODE, [0, 3])];

async function open(model?: string, stages: Assignment['stages'] | null = ALONE) {
  const redis = connect(redisUrl, { name: 'test', logger: quiet });
  await redis.flushdb();
  const assign = async (assignment: Assignment | null) => {
    if (assignment) await redis.set(nodeAssignment(NODE), JSON.stringify(assignment));
    else await redis.del(nodeAssignment(NODE));
    await tellNode(redis, NODE, { type: 'assignment' });
  };
  if (stages) await assign(assignmentOf(stages));
  const queues = new NodeQueues({ redis, logger: quiet });
  const reader = NodeStreamReader.open({ url: redisUrl, logger: quiet });
  await reader.add(NODE, redis);
  const events: NodeEvent[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const batch of reader.batches(stop.signal)) {
      for (const { event, problem } of batch) {
        if (!event) throw new Error(problem);
        events.push(event);
      }
    }
  })();
  const load = {
    genesis: MODEL,
    mainUrl: 'http://127.0.0.1:1',
    sources: [],
    storeDir: '/nonexistent',
    checkpointDir: '/nonexistent',
    threads: 1,
    slots: 2,
    kv: 'f32' as const,
    kvBytes: 0,
    ...(model === undefined ? {} : { model }),
  };
  const node = await WorkerNode.start(
    { nodeId: NODE, heartbeatMs: 200, slots: 2, capacity: CAPACITY },
    {
      engine: (assigned) =>
        engineStarter({ entry: ENTRY }, () => ({ ...load, assigned: assigned() })),
      connect: (name) => connect(redisUrl, { name, logger: quiet }),
      redis: () => ({ redisUrl }),
      logger: quiet,
    },
  );
  return {
    redis,
    assign,
    queues,
    events,
    node,
    statuses: () => events.filter((event) => event.type === 'status') as NodeStatus[],
    of: (requestId: string) =>
      events.flatMap((event) =>
        event.type !== 'status' && event.requestId === requestId ? [event] : [],
      ),
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      stop.abort();
      await reading;
      await reader[Symbol.asyncDispose]();
      await queues[Symbol.asyncDispose]();
      await disconnect(redis);
    },
  };
}
type Opened = Awaited<ReturnType<typeof open>>;

const job = (script: 1 | 2 | 3, change: Partial<NodeJob> = {}): NodeJob => ({
  requestId: `request-${crypto.randomUUID()}`,
  attempt: 1,
  model: MODEL,
  prompt: [script, 2],
  emitted: [],
  params: { ...NEUTRAL, maxTokens: 10, temperature: 0, seed: 1 },
  stopTokens: [2],
  remainingMs: 60_000,
  ...change,
});

const tokensOf = (t: Opened, requestId: string) =>
  t.of(requestId).flatMap((event) => (event.type === 'tokens' ? event.tokens : []));
const lastOf = (t: Opened, requestId: string) => t.of(requestId).at(-1);

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const ready = (t: Opened) => until(() => t.statuses().at(-1)?.state === 'ready');

describe('status', () => {
  test('says what the engine says, and goes on saying it', async () => {
    await using t = await open('healed');
    await ready(t);
    expect(t.statuses()[0]).toMatchObject({ state: 'idle', capacity: CAPACITY });
    const phases = t.statuses().flatMap(({ progress }) => progress?.phase ?? []);
    // However short: an operator sees each step.
    expect([...new Set(phases)]).toEqual(['sync', 'fetch', 'verify', 'build']);
    const last = t.statuses().at(-1);
    expect(last).toMatchObject({ model: MODEL, layers: [0, 3], slots: 2, context: 128 });
    expect(last?.notices).toEqual(['a chunk was fetched again']);
    const wrong = { source: 'http://10.0.0.3:9401', root: MODEL, chunk: 7 };
    expect(last?.wrongBlobs).toEqual([wrong]);
    const count = t.statuses().length;
    await until(() => t.statuses().length > count + 2);
    expect(new Set(t.statuses().map(({ boot }) => boot)).size).toBe(1);
  });

  test('an engine that cannot serve: the reason, and no jobs', async () => {
    await using t = await open('damaged');
    await until(() => t.statuses().at(-1)?.state === 'failed');
    expect(t.statuses().at(-1)?.failure).toMatchObject({ code: 'CHUNK_CORRUPT' });
    await t.queues.add(NODE, job(1));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(t.events.filter(({ type }) => type !== 'status')).toEqual([]);
  });
});

describe('assignments', () => {
  const state = (t: Opened) => t.statuses().at(-1)?.state;

  test('without one it is idle; with one it loads; without one again it holds nothing', async () => {
    await using t = await open(undefined, null);
    await until(() => t.statuses().length > 2);
    expect(new Set(t.statuses().map((status) => status.state))).toEqual(new Set(['idle']));
    const assignment = assignmentOf(ALONE);
    await t.assign(assignment);
    await ready(t);
    expect(t.statuses().at(-1)).toMatchObject({ assignment: assignment.id, slots: 2 });
    const running = job(3);
    await t.queues.add(NODE, running);
    await until(() => tokensOf(t, running.requestId).length > 0);
    await t.assign(null);
    await until(() => state(t) === 'idle');
    expect(t.statuses().at(-1)?.assignment).toBeUndefined();
    await until(() => lastOf(t, running.requestId)?.type === 'fail');
    expect(lastOf(t, running.requestId)).toMatchObject({ code: 'ENGINE_EXITED', retry: true });
  });

  test('the same layers under another number stay loaded, others are loaded anew', async () => {
    await using t = await open();
    await ready(t);
    const running = job(3);
    await t.queues.add(NODE, running);
    await until(() => tokensOf(t, running.requestId).length > 0);
    const same = assignmentOf(ALONE);
    await t.assign(same);
    await until(() => t.statuses().at(-1)?.assignment === same.id);
    const before = tokensOf(t, running.requestId).length;
    await until(() => tokensOf(t, running.requestId).length > before);
    expect(lastOf(t, running.requestId)?.type).toBe('tokens');

    const other = assignmentOf([stage('node-b', [0, 1]), stage(NODE, [2, 3])]);
    await t.assign(other);
    await until(() => t.statuses().at(-1)?.assignment === other.id && state(t) === 'ready');
    expect(lastOf(t, running.requestId)).toMatchObject({ type: 'fail', retry: true });
    // No jobs for who is not the head.
    expect(t.statuses().at(-1)?.slots).toBe(0);
  });

  test('what failed for one is tried at once for the next, with the same layers', async () => {
    await using t = await open('damaged');
    await until(() => state(t) === 'failed');
    const same = assignmentOf(ALONE);
    await t.assign(same);
    // Not the failure of before under the number of now.
    const under = () => t.statuses().filter(({ assignment }) => assignment === same.id);
    await until(() => under().some((status) => status.state === 'failed'));
    expect(under()[0]?.state).toBe('loading');
  });

  test('one that cannot be read, or is for another node, changes nothing', async () => {
    await using t = await open();
    await ready(t);
    const id = t.statuses().at(-1)?.assignment;
    await t.assign(assignmentOf([stage('node-b', [0, 3])]));
    await t.redis.set(nodeAssignment(NODE), '{"id":');
    await tellNode(t.redis, NODE, { type: 'assignment' });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(t.statuses().at(-1)).toMatchObject({ state: 'ready', assignment: id });
  });
});

describe('jobs', () => {
  test('two at once, each in order', async () => {
    await using t = await open();
    await ready(t);
    const jobs = [job(1), job(1, { emitted: [7, 8, 9] })];
    for (const each of jobs) await t.queues.add(NODE, each);
    await until(() => jobs.every(({ requestId }) => lastOf(t, requestId)?.type === 'done'));
    const [first, second] = jobs.map(({ requestId }) => tokensOf(t, requestId));
    expect(first).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(second).toEqual([3, 4, 5, 6, 7, 8, 9]);
  });

  test('cancelled: the engine stops, nothing more is said, the slot is free', async () => {
    await using t = await open();
    await ready(t);
    const [a, b, c] = [job(3), job(3), job(1)];
    for (const each of [a, b, c]) await t.queues.add(NODE, each);
    await until(() => tokensOf(t, a.requestId).length > 3 && tokensOf(t, b.requestId).length > 3);
    expect(t.of(c.requestId)).toEqual([]);
    await tellNode(t.redis, NODE, { type: 'cancel', requestId: a.requestId, attempt: 1 });
    await until(() => lastOf(t, c.requestId)?.type === 'done');
    const said = t.of(a.requestId).length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(t.of(a.requestId)).toHaveLength(said);
    expect(lastOf(t, a.requestId)?.type).toBe('tokens');
  });

  test('cancelled before it was claimed: never starts', async () => {
    await using t = await open();
    await ready(t);
    const [early, late] = [job(1), job(1)];
    await tellNode(t.redis, NODE, { type: 'cancel', requestId: early.requestId, attempt: 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await t.queues.add(NODE, early);
    await t.queues.add(NODE, late);
    await until(() => lastOf(t, late.requestId)?.type === 'done');
    expect(t.of(early.requestId)).toEqual([]);
  });

  test('a newer attempt ends the older one', async () => {
    await using t = await open();
    await ready(t);
    const first = job(3);
    await t.queues.add(NODE, first);
    await until(() => tokensOf(t, first.requestId).length > 2);
    await t.queues.add(NODE, { ...job(1), requestId: first.requestId, attempt: 2 });
    await until(() => lastOf(t, first.requestId)?.type === 'done');
    expect(lastOf(t, first.requestId)).toMatchObject({ attempt: 2, count: 10 });
  });

  test('an engine that dies: the attempt can be tried again, and the engine comes back', async () => {
    await using t = await open();
    await ready(t);
    const deadly = job(2);
    await t.queues.add(NODE, deadly);
    await until(() => lastOf(t, deadly.requestId)?.type === 'fail');
    expect(lastOf(t, deadly.requestId)).toMatchObject({ code: 'ENGINE_EXITED', retry: true });
    expect(tokensOf(t, deadly.requestId)).toEqual([0, 1, 2]);
    await until(() => t.statuses().at(-1)?.state === 'loading');
    await ready(t);
    const next = job(1);
    await t.queues.add(NODE, next);
    await until(() => lastOf(t, next.requestId)?.type === 'done');
  });

  test('draining: what runs is finished, what comes is refused', async () => {
    await using t = await open();
    await ready(t);
    const running = job(1, { params: { ...job(1).params, maxTokens: 60 } });
    await t.queues.add(NODE, running);
    await until(() => tokensOf(t, running.requestId).length > 0);
    const drained = t.node.drain();
    const refused = job(1);
    await t.queues.add(NODE, refused);
    await drained;
    await until(() => lastOf(t, running.requestId)?.type === 'done');
    await until(() => lastOf(t, refused.requestId)?.type === 'fail');
    expect(lastOf(t, refused.requestId)).toMatchObject({ retry: true });
    expect(t.statuses().at(-1)?.state).toBe('draining');
  });
});
