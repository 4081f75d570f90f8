/** Pipelines of scripted nodes: assigned, served by their heads, ended and made anew. */
import { Receipt } from '@blyan/protocol/answer';
import { readAssignment } from '@blyan/queue/assignments';
import { readCluster } from '@blyan/queue/cluster';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MB } from './even-plan.ts';
import { openHarness, sleep, tokensOf, until } from './harness.ts';
import { type Play, proper, type ScriptedNode, tokensUpTo } from './scripted-node.ts';

type Harness = Awaited<ReturnType<typeof openHarness>>;
let t: Harness;
beforeEach(async () => {
  t = await openHarness(7);
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
});

/** Of 12 layers of 10 MB, and 5 MB of the head, such a node holds 4. */
const THIRD = 45 * MB;
const WHOLE = 125 * MB;
const layersOf = (node: ScriptedNode) => node.status.layers;
const isReady = (node: ScriptedNode) => node.status.state === 'ready';

async function third(count: number, script = proper): Promise<ScriptedNode[]> {
  const nodes: ScriptedNode[] = [];
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, count))
    nodes.push(await t.node({ id: `node-${name}`, memory: THIRD, script }));
  return nodes;
}

/** The first token of each answer at once, the rest when the script is told. */
const slowly = (play: Play) => play.run(20, 100);

describe('assignments', () => {
  test('what fits on one worker is not split, and each such worker serves', async () => {
    await t.coordinator();
    const nodes = [
      await t.node({ id: 'node-a', memory: WHOLE, script: slowly }),
      await t.node({ id: 'node-b', memory: WHOLE, script: slowly }),
      await t.node({ id: 'node-c', memory: THIRD }),
    ];
    await until(() => nodes.slice(0, 2).every(isReady));
    expect(nodes.map(layersOf)).toEqual([[0, 11], [0, 11], undefined]);
    const ids = [await t.ask(), await t.ask()];
    for (const id of ids) expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect(nodes.map(({ jobs }) => jobs.length)).toEqual([1, 1, 0]);
  });

  test('three workers hold a third each; the head alone gets jobs; the receipt names all', async () => {
    await t.coordinator();
    const nodes = await third(3);
    await until(() => nodes.every(isReady));
    const assignment = await readAssignment(t.redis, 'node-a');
    expect(assignment?.stages.map(({ layers }) => layers)).toEqual([
      [0, 3],
      [4, 7],
      [8, 11],
    ]);
    const head = assignment?.stages[0]?.nodeId;
    const id = await t.ask();
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    for (const node of nodes) expect(node.jobs).toHaveLength(node.id === head ? 1 : 0);
    const receipt = Receipt.parse((await t.row(id)).receipt);
    expect(receipt.nodes.map((node) => [node.id, node.layers])).toEqual(
      assignment?.stages.map(({ nodeId, layers }) => [nodeId, layers]),
    );
  });

  test('nothing is dispatched before all stages are ready', async () => {
    await t.coordinator({ noNodeGraceMs: 10_000 });
    const nodes = await third(2);
    const last = await t.node({ id: 'node-c', memory: THIRD });
    last.loads = false;
    await until(() => nodes.every(isReady));
    const id = await t.ask();
    await sleep(400);
    expect(nodes.flatMap(({ jobs }) => jobs)).toEqual([]);
    last.say({ state: 'ready', model: t.model.hash, layers: [8, 11] });
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  });

  test('the scopes of its key: a node runs layers, and is named as a source of blobs', async () => {
    await t.coordinator();
    const source = async (name: string, scopes: string[]) => {
      const node = await t.node({ id: `node-${name}`, memory: WHOLE }, scopes);
      const { capacity } = node.status;
      const blobUrl = `http://${name}.test`;
      if (capacity) node.say({ capacity: { ...capacity, blobUrl } });
      await until(async () => {
        const cluster = await readCluster(t.redis);
        return cluster?.nodes.some(({ status }) => status.capacity?.blobUrl === blobUrl) === true;
      });
      return node;
    };
    const blobs = await source('blobs', ['blobs']);
    const serving = await source('serving', ['serve']);
    await until(() => isReady(serving));
    const last = await t.node({ id: 'node-last', memory: WHOLE });
    await until(() => isReady(last));
    expect(last.assignments[0]?.blobSources).toEqual(['http://blobs.test']);
    // It says that it is ready all the same.
    blobs.say({ state: 'ready', model: t.model.hash, layers: [0, 11], slots: 16 });
    const { capacity: _, ...silent } = blobs.status;
    blobs.status = silent;
    expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
    expect([blobs.jobs, blobs.assignments]).toEqual([[], []]);
  });

  test('too little memory is said to who waits', async () => {
    await t.coordinator();
    await third(2);
    const events = await t.events(await t.ask());
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      code: 'no_worker',
      message: expect.stringContaining('too little memory'),
    });
  });
});

describe('a pipeline', () => {
  const headOf = async (nodes: ScriptedNode[]) => {
    const head = (await readAssignment(t.redis, nodes[0]!.id))?.stages[0]?.nodeId;
    return nodes.find(({ id }) => id === head)!;
  };

  test('that serves is not ended for a better plan that rests on one measurement', async () => {
    // Nobody is to fall silent on a busy machine.
    await t.coordinator({ nodeLostMs: 15_000 });
    const nodes = await third(3);
    await until(() => nodes.every(isReady));
    const before = nodes.map(({ status }) => status.assignment);
    const slow = nodes[0]!;
    const { capacity } = slow.status;
    if (capacity) slow.say({ capacity: { ...capacity, weightBytesPerSecond: 2e7 } });
    const isSlow = async () => {
      const seen = (await readCluster(t.redis))?.nodes.find(({ id }) => id === slow.id);
      return seen?.status.capacity?.weightBytesPerSecond === 2e7;
    };
    await until(isSlow);
    // With it in the place of the slow one a plan is worth far more.
    await t.node({ id: 'node-d', memory: THIRD });
    await until(async () => (await readCluster(t.redis))?.nodes.length === 4);
    for (let i = 0; i < 3; i++)
      expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
    expect(nodes.map(({ status }) => status.assignment)).toEqual(before);
  });

  test('that lost a stage is made anew with a spare node, under another id', async () => {
    await t.coordinator({ noNodeGraceMs: 10_000 });
    const nodes = await third(3, slowly);
    await until(() => nodes.every(isReady));
    const [first] = nodes.map(({ status }) => status.assignment);
    const head = await headOf(nodes);
    const id = await t.ask();
    await until(() => head.jobs.length === 1);
    const spare = await t.node({ id: 'node-d', memory: THIRD, script: slowly });
    nodes.find((node) => node !== head)!.freeze();
    const events = await t.events(id);
    expect(tokensOf(events)).toEqual(tokensUpTo(20));
    expect(await t.row(id)).toMatchObject({ status: 'completed', attempt: 2 });
    expect(spare.status.assignment).toBeDefined();
    expect(spare.status.assignment).not.toBe(first);
  });

  test('of which a stage was restarted has the same layers under another id', async () => {
    await t.coordinator();
    const nodes = await third(3, slowly);
    await until(() => nodes.every(isReady));
    const before = nodes.map(layersOf);
    const [first] = nodes.map(({ status }) => status.assignment);
    const head = await headOf(nodes);
    const id = await t.ask();
    await until(() => head.jobs.length === 1);
    // It was seen ready: a restart is told from a start.
    await sleep(500);
    nodes.find((node) => node !== head)!.say({ boot: 'another' });
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect(nodes.map(layersOf)).toEqual(before);
    expect(nodes[0]?.status.assignment).not.toBe(first);
    // The whole of what the first attempt wrote was given to the second.
    expect(head.jobs[1]?.emitted).toEqual(tokensUpTo(head.jobs[1]?.emitted.length ?? 0));
  });

  test('whose head blames a stage is over, and made anew', async () => {
    await t.coordinator({ noNodeGraceMs: 10_000 });
    let culprit = '';
    const script = async (play: Play) => {
      if (play.job.attempt > 1) return proper(play);
      await play.run(5);
      const failure = { code: 'STAGE_LOST', message: 'it is gone', retry: true, culprit };
      play.send('fail', failure);
    };
    const nodes = await third(3, script);
    await until(() => nodes.every(isReady));
    const head = await headOf(nodes);
    const first = head.status.assignment;
    culprit = nodes.find((node) => node !== head)!.id;
    const id = await t.ask();
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect(await t.row(id)).toMatchObject({ attempt: 2 });
    expect(head.status.assignment).not.toBe(first);
    expect((await t.db.node.findMany({ where: { mark: { not: null } } })).length).toBe(0);
  });

  test('of which a stage sends wrong shapes goes on without it, and it is marked', async () => {
    await t.coordinator({ noNodeGraceMs: 10_000 });
    let culprit = '';
    const script = async (play: Play) => {
      if (play.job.attempt > 1) return proper(play);
      await play.run(5);
      const message = 'stage 1 gave f32 [1, 3] for f32 [1, 256]';
      play.send('fail', { code: 'STAGE_SHAPE', message, retry: true, culprit });
    };
    const nodes = await third(3, script);
    await until(() => nodes.every(isReady));
    const head = await headOf(nodes);
    culprit = nodes.find((node) => node !== head)!.id;
    const spare = await t.node({ id: 'node-d', memory: THIRD, script });
    const id = await t.ask();
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    expect(await t.row(id)).toMatchObject({ status: 'completed', attempt: 2 });
    // All are one operator's: whom else could it speak for?
    const marked = () => t.db.node.findMany({ where: { mark: { not: null } } });
    await until(async () => (await marked()).length > 0);
    expect(await marked()).toMatchObject([{ id: culprit, mark: expect.stringContaining('shape') }]);
    const members = (await readAssignment(t.redis, spare.id))?.stages.map(({ nodeId }) => nodeId);
    expect(members).toHaveLength(3);
    expect(members).not.toContain(culprit);
  });

  test('has the frames that the coordinator is set to, over the layers that are loaded; the receipt says so', async () => {
    const first = await t.coordinator();
    const nodes = await third(3);
    await until(() => nodes.every(isReady));
    const before = nodes.map(layersOf);
    expect(nodes.map(({ assignments }) => assignments.at(-1)?.frames)).toEqual([
      'f32',
      'f32',
      'f32',
    ]);
    await first.stop();
    await t.coordinator({ frames: 'f16' });
    await until(() => nodes.every(({ assignments }) => assignments.length === 2));
    expect(nodes.map(({ assignments }) => assignments.at(-1)?.frames)).toEqual([
      'f16',
      'f16',
      'f16',
    ]);
    expect(nodes.map(layersOf)).toEqual(before);
    const head = await headOf(nodes);
    const { numerics } = head.status;
    if (numerics) head.say({ numerics: { ...numerics, frames: 'f16' } });
    await until(async () => {
      const seen = (await readCluster(t.redis))?.nodes.find(({ id }) => id === head.id);
      return seen?.status.numerics?.frames === 'f16';
    });
    const id = await t.ask();
    expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
    const receipt = Receipt.parse((await t.row(id)).receipt);
    expect(receipt.nodes.find((node) => node.id === head.id)?.numerics.frames).toBe('f16');
  });

  test('goes on under a coordinator that takes over', async () => {
    const first = await t.coordinator();
    const nodes = await third(3);
    await until(() => nodes.every(isReady));
    await first.stop();
    await t.coordinator();
    expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
    expect(nodes.map(({ assignments }) => assignments.length)).toEqual([1, 1, 1]);
  });
});

test('a conversation goes on where its beginning was read, if there is room', async () => {
  await t.coordinator();
  let hold = true;
  const script = async (play: Play) => {
    while (hold && play.job.prompt.length === 3) await sleep(20);
    await proper(play);
  };
  const [a, b] = [
    await t.node({ id: 'node-a', memory: WHOLE, script }),
    await t.node({ id: 'node-b', memory: WHOLE, script }),
  ];
  await until(() => isReady(a) && isReady(b));
  const [busy, idle] = await (async () => {
    const id = await t.ask();
    await until(() => a.jobs.length + b.jobs.length === 1);
    hold = false;
    await t.events(id);
    hold = true;
    return a.jobs.length === 1 ? [a, b] : [b, a];
  })();
  // The first one is busy, so the conversation begins on the other.
  const held = await t.ask();
  await until(() => busy.jobs.length === 2);
  const prompt = Array.from({ length: 100 }, (_, i) => i % 50);
  await t.events(await t.ask({ prompt }));
  expect(idle.jobs).toHaveLength(1);
  hold = false;
  await t.events(held);
  await t.events(await t.ask({ prompt: [...prompt, ...tokensUpTo(20), 5, 6] }));
  expect(idle.jobs).toHaveLength(2);
});
