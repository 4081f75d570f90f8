/** A plan that is made again and again, from what is measured while it is in use, comes to rest. */
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeStatus } from '@blyan/protocol/node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Assigner } from '../src/assigning/assigner.ts';
import { noteLinks, planNodes } from '../src/assigning/candidates.ts';
import { REPLAN_MS } from '../src/limits.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { Choice } from '../src/planning/choice.ts';
import type { Pipeline, PlanNode } from '../src/planning/fleet.ts';
import { Links } from '../src/planning/links.ts';
import { replan } from '../src/planning/plan.ts';
import { evenPlan, MB } from './even-plan.ts';
import { quiet } from './quiet.ts';

/** Nodes with speeds and links as they really are. */
interface Truth {
  nodes: Pick<PlanNode, 'id' | 'device' | 'memoryBytes' | 'bytesPerSecond'>[];
  /** Round trip of nodes i and j, ms. */
  ms(i: number, j: number): number;
}

const LAYERS = 12;
const MODEL = evenPlan(LAYERS);

/** @param speeds MB a second */
const truth = (
  count: { min: number; max: number },
  speeds = { min: 200, max: 20_000 },
): fc.Arbitrary<Truth> =>
  fc
    .record({
      nodes: fc.array(
        fc.record({
          /** It holds so many layers beside the head. */
          layers: fc.integer({ min: 1, max: LAYERS - 1 }),
          mbPerSecond: fc.integer(speeds),
        }),
        { minLength: count.min, maxLength: count.max },
      ),
      links: fc.oneof(
        fc.constantFrom(20, 60).map((ms) => [ms]),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 28, maxLength: 28 }),
      ),
    })
    .map(({ nodes, links }) => ({
      nodes: nodes.map(({ layers, mbPerSecond }, i) => ({
        id: `node-${i}`,
        device: 'cpu',
        memoryBytes: (layers * 10 + 5) * MB,
        bytesPerSecond: mbPerSecond * MB,
      })),
      ms: (i, j) =>
        links[((Math.max(i, j) * (Math.max(i, j) - 1)) / 2 + Math.min(i, j)) % links.length]!,
    }));

const indexOf = (nodeId: string) => Number(nodeId.slice('node-'.length));

/** What the members of these pipelines measure. */
function measure(links: Links, plan: readonly Pipeline[], { ms }: Truth): void {
  for (const pipeline of plan) {
    for (const [i, { nodeId }] of pipeline.entries()) {
      const next = pipeline[(i + 1) % pipeline.length]!.nodeId;
      if (next !== nodeId) links.set(nodeId, next, ms(indexOf(nodeId), indexOf(next)));
    }
  }
}

const seenBy = (links: Links, { nodes }: Truth, noise: (i: number) => number = () => 1) =>
  nodes.map((node, i) => ({
    ...node,
    bytesPerSecond: node.bytesPerSecond * noise(i),
    links: links.of(node.id),
    otherLinksMs: links.usualMs,
  }));

/** The first plan, and one for each pair whose link is found to be another one than was taken. */
const mostChanges = ({ nodes }: Truth) => 1 + (nodes.length * (nodes.length - 1)) / 2;
const isSame = (a: readonly Pipeline[], b: readonly Pipeline[]) =>
  JSON.stringify(a) === JSON.stringify(b);

describe('a plan', () => {
  test('comes to rest when what is in use is measured and each gain is taken at once', () => {
    fc.assert(
      fc.property(truth({ min: 1, max: 5 }), (t) => {
        const links = new Links();
        let plan: Pipeline[] = [];
        for (let changes = 0; ; changes++) {
          expect(changes).toBeLessThanOrEqual(mostChanges(t));
          measure(links, plan, t);
          const { plan: kept, better } = replan(plan, seenBy(links, t), MODEL);
          const next = better ?? kept;
          if (isSame(next, plan)) break;
          plan = next;
        }
      }),
      { numRuns: 150 },
    );
  });

  test('hardly moves when each look finds other speeds, 15 percent up or down', () => {
    fc.assert(
      fc.property(
        // Like nodes: which of them are best is a matter of what was measured.
        truth({ min: 3, max: 4 }, { min: 800, max: 1200 }),
        fc.infiniteStream(fc.double({ min: 0.85, max: 1.15, noNaN: true })),
        (t, noise) => {
          const links = new Links();
          const choice = new Choice();
          let plan: Pipeline[] = [];
          let changes = 0;
          for (let now = 0; now < 3600_000; now += REPLAN_MS) {
            measure(links, plan, t);
            const fleet = seenBy(links, t, () => noise.next().value);
            const next = choice.of(replan(plan, fleet, MODEL, choice.candidate), now);
            if (!isSame(next, plan)) changes++;
            plan = next;
          }
          expect(changes).toBeLessThanOrEqual(mostChanges(t));
        },
      ),
      { numRuns: 6, seed: 1 },
    );
  });
});

/** Round trips as the members of pipelines tell them, and the plans of an hour. */
describe('the assigner', () => {
  const statusOf = (id: string): NodeStatus => ({
    type: 'status',
    boot: `${id}-1`,
    version: '0.1.0',
    state: 'idle',
    slots: 2,
    capacity: { memoryBytes: 65 * MB, weightBytesPerSecond: 1e9, addresses: [] },
  });

  /** Assignments of four equal nodes, of which two hold the model, within an hour. */
  async function assignedInAnHour(ms: number): Promise<number> {
    const nodes = new NodeRegistry({ steadyMs: 0 });
    const ids = ['a', 'b', 'c', 'd'].map((name) => `node-${name}`);
    for (const id of ids) {
      nodes.know({
        id,
        publicKey: '07'.repeat(32),
        draining: false,
        evicted: false,
        mark: null,
        keyId: 'key',
        registeredAt: 0,
        scopes: ['serve'],
      });
    }
    const made = new Set<string>();
    const assigner = new Assigner({
      nodes,
      frames: 'f32',
      write: async () => undefined,
      read: async () => null,
      grant: async () => undefined,
      broken: () => undefined,
      pump: () => undefined,
      logger: quiet,
    });
    assigner.want({ hash: 'ab'.repeat(32), plan: MODEL });
    await assigner.adopt(0);
    for (let now = 0; now < 3600_000; now += 1000) {
      for (const id of ids) {
        const assignment = nodes.pipelines.of(id)?.assignment;
        const status = statusOf(id);
        if (assignment) {
          made.add(assignment.id);
          const { stages } = assignment;
          const at = stages.findIndex(({ nodeId }) => nodeId === id);
          const next = stages[(at + 1) % stages.length]!.nodeId;
          status.state = 'ready';
          status.assignment = assignment.id;
          status.links = [{ nodeId: next, transport: 'redis', ms }];
        }
        nodes.hear(id, status, now);
      }
      assigner.tick(now);
    }
    await assigner.stop();
    return made.size;
  }

  test.each([1, 20, 60])(
    'of equal nodes with %i ms between all of them leaves its first plan',
    async (ms) => {
      expect(await assignedInAnHour(ms)).toBe(2);
    },
  );

  test('knows a link when its pipeline is over, either way, and nothing of another', () => {
    const nodes = new NodeRegistry();
    const said = (id: string, links: [string, number][]) => {
      nodes.add(id);
      const told = links.map(([nodeId, ms]) => ({ nodeId, transport: 'redis' as const, ms }));
      nodes.hear(id, { ...statusOf(id), links: told }, 0);
    };
    const stages = ['node-a', 'node-b'].map((nodeId, i) => ({
      nodeId,
      publicKey: '07'.repeat(32),
      layers: [i, i] as [number, number],
      addresses: [],
    }));
    const assignment: Assignment = {
      id: crypto.randomUUID(),
      model: 'ab'.repeat(32),
      stages,
      frames: 'f32',
    };
    const pipeline = nodes.pipelines.add(assignment, 0);
    said('node-a', [
      ['node-b', 30],
      ['node-c', 900],
    ]);
    said('node-b', [['node-a', 50]]);
    said('node-c', []);
    const links = new Links();
    noteLinks(links, nodes);
    nodes.pipelines.remove(pipeline);
    said('node-a', []);
    noteLinks(links, nodes);
    const planned = planNodes([...nodes.all()], links);
    expect(planned.map(({ id, links, otherLinksMs }) => [id, [...links], otherLinksMs])).toEqual([
      ['node-a', [['node-b', 50]], 50],
      ['node-b', [['node-a', 50]], 50],
      ['node-c', [], 50],
    ]);
  });
});

describe('links', () => {
  test('are forgotten with their nodes; what is not known is the median of what is', () => {
    const links = new Links();
    expect(links.usualMs).toBe(4);
    links.set('a', 'b', 10);
    links.set('b', 'c', 20);
    links.set('a', 'c', 90);
    links.set('c', 'b', 30);
    expect([links.usualMs, ...links.of('b')]).toEqual([30, ['a', 10], ['c', 30]]);
    links.keep((id) => id !== 'c');
    expect([links.usualMs, ...links.of('a'), ...links.of('c')]).toEqual([10, ['b', 10]]);
    links.keep((id) => id === 'a');
    expect([links.usualMs, ...links.of('a')]).toEqual([4]);
  });
});
