/** A pipeline whose member never gets ready does not form for ever. */
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeStatus } from '@blyan/protocol/node';
import { expect, test } from 'vitest';
import { Assigner } from '../src/assigning/assigner.ts';
import { FORMING_STUCK_MS } from '../src/limits.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { evenPlan, MB } from './even-plan.ts';
import { quiet } from './quiet.ts';

const STEP_MS = 1000;

test.each([
  ['that comes no further is replaced by a spare one', false],
  ['that goes on slowly is waited for', true],
])('a member %s', async (_, moves) => {
  const nodes = new NodeRegistry({ steadyMs: 0 });
  const assigned = new Map<string, Assignment>();
  const assigner = new Assigner({
    frames: 'f32',
    nodes,
    read: async () => null,
    write: async (nodeId, assignment) => void assigned.set(nodeId, assignment),
    grant: async () => undefined,
    broken: () => undefined,
    pump: () => undefined,
    logger: quiet,
  });
  const begin = performance.now();
  await assigner.adopt(begin);
  assigner.want({ hash: 'ab'.repeat(32), plan: evenPlan(12) });
  const ids = ['a', 'b', 'c', 'd'];
  const say = (id: string, now: number, done: number) => {
    const assignment = assigned.get(id)?.id;
    const stuck = id === 'b';
    const capacity = { memoryBytes: 45 * MB, weightBytesPerSecond: 1e9, addresses: [] };
    const status: NodeStatus = {
      type: 'status',
      boot: id,
      version: '0',
      slots: 1,
      capacity,
      state: assignment ? (stuck ? 'loading' : 'ready') : 'idle',
      ...(assignment && { assignment }),
      ...(stuck && {
        progress: { phase: 'fetch', done: moves ? done : 0, total: 1e6, unit: 'bytes' },
      }),
    };
    nodes.hear(id, status, now);
  };
  for (const id of ids) {
    nodes.add(id);
    const row = { draining: false, evicted: false, mark: null, registeredAt: 1 };
    nodes.know({ ...row, id, keyId: 'k', publicKey: '00'.repeat(32), scopes: ['serve'] });
  }
  for (let ms = 0; ms < 1.5 * FORMING_STUCK_MS; ms += STEP_MS) {
    // The spare one comes when the others are assigned.
    for (const id of ids.slice(0, ms < 5000 ? 3 : 4)) say(id, begin + ms, ms);
    assigner.tick(begin + ms);
    await Promise.resolve();
    await new Promise(setImmediate);
  }
  expect(nodes.pipelines.list()).toHaveLength(1);
  expect(nodes.pipelines.of('b') !== undefined).toBe(moves);
  await assigner.stop();
});

test('what cannot be written does not keep it from stopping', async () => {
  const nodes = new NodeRegistry({ steadyMs: 0 });
  let tries = 0;
  const assigner = new Assigner({
    frames: 'f32',
    nodes,
    read: async () => null,
    write: async () => {
      tries++;
      throw new Error('OOM command not allowed');
    },
    grant: async () => undefined,
    broken: () => undefined,
    pump: () => undefined,
    logger: quiet,
  });
  const now = performance.now();
  await assigner.adopt(now);
  assigner.want({ hash: 'ab'.repeat(32), plan: evenPlan(1) });
  nodes.add('a');
  const row = { draining: false, evicted: false, mark: null, registeredAt: 1, keyId: 'k' };
  nodes.know({ ...row, id: 'a', publicKey: '00'.repeat(32), scopes: ['serve'] });
  const capacity = { memoryBytes: 125 * MB, weightBytesPerSecond: 1e9, addresses: [] };
  const status = { type: 'status' as const, boot: 'a', version: '0', slots: 1, capacity };
  nodes.hear('a', { ...status, state: 'idle' }, now);
  assigner.tick(now);
  await new Promise(setImmediate);
  await assigner.stop();
  expect(tries).toBe(1);
});
