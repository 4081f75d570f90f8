/** Nodes that are gone are not kept in mind for ever, and are known again when they come back. */
import { readCluster } from '@blyan/queue/cluster';
import { expect, test } from 'vitest';
import { NODE_FORGOTTEN_MS } from '../src/limits.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { openHarness, tokensOf, until } from './harness.ts';
import { tokensUpTo } from './scripted-node.ts';

const status = { type: 'status', boot: 'b', version: '0', slots: 1, state: 'idle' } as const;
const NOBODY: ReadonlySet<string> = new Set();

test('an hour of silence, if nothing runs there and nobody else has heard it', () => {
  const nodes = new NodeRegistry();
  const ids = ['silent', 'busy', 'planned', 'seen', 'heard', 'new'];
  for (const id of ids.slice(0, 5)) nodes.add(id, 0);
  nodes.hear('silent', status, 1000);
  nodes.get('busy')?.running.add('an answer');
  const stages = [{ nodeId: 'planned', publicKey: '', layers: [0, 1] as [number, number] }];
  nodes.pipelines.add(
    { id: 'x', model: '', stages: stages.map((s) => ({ ...s, addresses: [] })), frames: 'f32' },
    0,
  );
  const forget = (now: number) => nodes.forget(NODE_FORGOTTEN_MS, new Set(['seen']), now);
  expect(forget(NODE_FORGOTTEN_MS - 1)).toEqual([]);
  nodes.hear('heard', status, 2000);
  nodes.add('new', 3000);
  expect(forget(NODE_FORGOTTEN_MS + 1000)).toEqual(['silent']);
  expect([...nodes.all()].map(({ id }) => id)).toEqual(ids.slice(1));
  nodes.hear('heard', status, NODE_FORGOTTEN_MS);
  expect(nodes.forget(NODE_FORGOTTEN_MS, NOBODY, NODE_FORGOTTEN_MS + 3000)).toEqual([
    'seen',
    'new',
  ]);
});

test('a node that was forgotten registers again, and serves', async () => {
  await using t = await openHarness(12);
  await t.coordinator({ nodeForgottenMs: 1500 });
  await t.node({ id: 'node-a' });
  const gone = await t.node({ id: 'node-b' });
  const known = async () => (await readCluster(t.redis))?.nodes.map(({ id }) => id);
  await until(async () => (await known())?.length === 2);
  const before = new Date(Date.now() - 60_000);
  await t.db.node.updateMany({ data: { lastSeenAt: before, registeredAt: before } });
  gone.freeze();
  // One that is heard stays known, although the web app did not hear it.
  await until(async () => JSON.stringify(await known()) === '["node-a"]');
  expect(tokensOf(await t.events(await t.ask()))).toEqual(tokensUpTo(20));
  const back = await t.node({ id: 'node-b', slots: 8 });
  await until(async () => (await known())?.length === 2);
  expect(back.id).toBe('node-b');
  const ids = await Promise.all([t.ask(), t.ask(), t.ask(), t.ask()]);
  for (const id of ids) expect(tokensOf(await t.events(id))).toEqual(tokensUpTo(20));
  expect(back.jobs.length + gone.jobs.length).toBeGreaterThan(0);
});
