/** Plans rest on speeds that nodes measure while they are busy: noise alone must not move what serves. */
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeStatus } from '@blyan/protocol/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Assigner } from '../src/assigning/assigner.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { evenPlan, MB } from './even-plan.ts';
import { quiet } from './quiet.ts';

const STEP_MS = 2000;
const MINUTE = 60_000;

/**
 * How often a plan was made in so many minutes, the first one included.
 *
 * @param speedAt bytes a second that the node of this number says at each step
 */
async function plansOf(
  memories: readonly number[],
  minutes: number,
  speedAt: (node: number, ms: number) => number,
): Promise<number[]> {
  const nodes = new NodeRegistry({ steadyMs: 0 });
  const assigned = new Map<string, Assignment>();
  const assigner = new Assigner({
    nodes,
    read: async () => null,
    frames: 'f32',
    write: async (nodeId, assignment) => void assigned.set(nodeId, assignment),
    grant: async () => undefined,
    broken: () => undefined,
    pump: () => undefined,
    logger: quiet,
  });
  const begin = performance.now();
  await assigner.adopt(begin);
  assigner.want({ hash: 'ab'.repeat(32), plan: evenPlan(12) });
  const ids = memories.map((_, i) => `node-${i}`);
  for (const id of ids) {
    nodes.add(id);
    const row = { draining: false, evicted: false, mark: null, registeredAt: 1 };
    nodes.know({ ...row, id, keyId: 'k', publicKey: '00'.repeat(32), scopes: ['serve'] });
  }
  const made: number[] = [];
  let before = '';
  for (let ms = 0; ms < minutes * MINUTE; ms += STEP_MS) {
    for (const [i, id] of ids.entries()) {
      const assignment = assigned.get(id)?.id;
      const weightBytesPerSecond = speedAt(i, ms);
      const status: NodeStatus = {
        type: 'status',
        boot: id,
        version: '0',
        slots: 1,
        capacity: { memoryBytes: memories[i]! * MB, weightBytesPerSecond, addresses: [] },
        state: assignment ? 'ready' : 'idle',
        ...(assignment && { assignment }),
      };
      nodes.hear(id, status, begin + ms);
    }
    assigner.tick(begin + ms);
    await new Promise(setImmediate);
    const now = nodes.pipelines
      .list()
      .map(({ assignment }) => assignment.id)
      .sort()
      .join();
    if (now !== before) made.push(ms);
    before = now;
  }
  await assigner.stop();
  return made;
}

/** Of 12 layers of 10 MB, and 5 MB of the head, nobody holds all: there is a spare one, or another order. */
const fleets = fc.record({
  memories: fc.array(fc.constantFrom(45, 65), { minLength: 3, maxLength: 4 }),
  seed: fc.integer(),
});

/** The same numbers for the same seed, in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A speed that is up to so many times higher or lower at each look. */
const noisy = (speed: number, times: number, random: () => number) =>
  speed * times ** (2 * random() - 1);

test('speeds of half to twice the true one, another at each look, move next to nothing', async () => {
  let moves = 0;
  // Noise may be a gain for a minute, seldom: the fleets are the same in each run of this test.
  await fc.assert(
    fc.asyncProperty(fleets, async ({ memories, seed }) => {
      const random = numbers(seed);
      const made = await plansOf(memories, 20, () => noisy(1e9, 2, random));
      expect(made.length).toBeLessThanOrEqual(3);
      moves += Math.max(0, made.length - 1);
    }),
    { numRuns: 20, seed: 1 },
  );
  // Measured: 2; and 71 when at each look any better plan counted, not the same one.
  expect(moves).toBeLessThanOrEqual(6);
});

test('a gain that stays is taken in a few minutes, through the noise', async () => {
  const random = numbers(7);
  const slowFrom = 10 * MINUTE;
  // Three of which two are enough: one of the two that serve becomes slow for good.
  const [first = 0, ...later] = await plansOf([65, 65, 65], 20, (node, ms) =>
    noisy(node === 0 && ms >= slowFrom ? 1e8 : 1e9, 1.1, random),
  );
  expect(first).toBe(0);
  expect(later).toHaveLength(1);
  expect(later[0]).toBeGreaterThanOrEqual(slowFrom + MINUTE);
  expect(later[0]).toBeLessThanOrEqual(slowFrom + 3 * MINUTE);
});
