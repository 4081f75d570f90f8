/** Plans of random fleets, held against what a plan promises, and against all plans there are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Device,
  type Pipeline,
  type PlanModel,
  type PlanNode,
  stepMs,
  worth,
} from '../src/planning/fleet.ts';
import { planLargeFleet } from '../src/planning/large-fleet.ts';
import { MIN_GAIN, planFleet, replan } from '../src/planning/plan.ts';
import { evenPlan, MB } from './even-plan.ts';

/** What a node needs for some layers, added up here: what the planner itself thinks is under test. */
function bytesFor(
  { memory, kvBytes, positions }: PlanModel,
  device: Device,
  [first, last]: readonly [number, number],
  isHead: boolean,
): number {
  let bytes = isHead ? memory[device].head : 0;
  memory[device].layers.forEach((weights, layer) => {
    if (layer >= first && layer <= last) bytes += weights + kvBytes[device] * positions;
  });
  return bytes;
}

const holds = (
  node: PlanNode,
  model: PlanModel,
  layers: readonly [number, number],
  isHead: boolean,
) => bytesFor(model, node.device, layers, isHead) <= node.memoryBytes;

const model = (layers: number): fc.Arbitrary<PlanModel> =>
  fc
    .record({
      layerBytes: fc.oneof(
        fc.integer({ min: 1, max: 200 }).map((mb) => new Array<number>(layers).fill(mb * MB)),
        fc.array(
          fc.integer({ min: 1, max: 200 }).map((mb) => mb * MB),
          {
            minLength: layers,
            maxLength: layers,
          },
        ),
      ),
      headBytes: fc.integer({ min: 0, max: 400 }).map((mb) => mb * MB),
      widened: fc.constantFrom(1, 1.06, 2),
      kvBytes: fc.integer({ min: 0, max: 10_000 }).map((n) => 2 * n),
      positions: fc.integer({ min: 1, max: 4096 }),
    })
    .map(({ layerBytes, headBytes, widened, kvBytes, positions }) => {
      const memory = (factor: number) => ({
        layers: layerBytes.map((bytes) => Math.ceil(bytes * factor)),
        head: Math.ceil(headBytes * factor * 2),
      });
      return {
        layerBytes,
        headBytes,
        memory: { cpu: memory(widened), gpu: memory(1) },
        kvBytes: { cpu: kvBytes, gpu: kvBytes / 2 },
        positions,
      };
    });

interface Fleet {
  model: PlanModel;
  nodes: PlanNode[];
  byId: Map<string, PlanNode>;
}

/** @param share most percent that a node holds of a model: below 100 each holds a part only */
const fleet = (
  count: { min: number; max: number },
  layers: { min: number; max: number },
  share = 80,
) =>
  fc
    .record({
      model: fc.integer(layers).chain(model),
      shares: fc.array(
        fc.record({
          share: fc.integer({ min: 0, max: share }),
          device: fc.constantFrom('cpu' as const, 'gpu' as const),
          bytesPerSecond: fc.oneof(
            fc.constant(0),
            fc.integer({ min: 100, max: 3_000_000 }).map((mb) => mb * MB),
          ),
        }),
        { minLength: count.min, maxLength: count.max },
      ),
      links: fc.array(
        fc.integer({ min: 0, max: 1000 }).map((n) => n / 10),
        { maxLength: 40 },
      ),
    })
    .map(({ model, shares, links }): Fleet => {
      const total = (device: 'cpu' | 'gpu') => {
        const { layers, head } = model.memory[device];
        const weights = layers.reduce((a, b) => a + b, head);
        return weights + layers.length * model.kvBytes[device] * model.positions;
      };
      const nodes = shares.map(({ share, device, bytesPerSecond }, i) => ({
        id: `node-${i}`,
        device,
        bytesPerSecond,
        memoryBytes: Math.floor((share / 100) * total(device)),
        links: new Map<string, number>(),
        otherLinksMs: 4,
      }));
      links.forEach((ms, i) => {
        const from = nodes[i % Math.max(nodes.length, 1)];
        const to = nodes[(i * 7 + 1) % Math.max(nodes.length, 1)];
        if (!from || !to || from === to) return;
        from.links.set(to.id, ms);
        to.links.set(from.id, ms);
      });
      return { model, nodes, byId: new Map(nodes.map((node) => [node.id, node])) };
    });

function expectValid(pipelines: readonly Pipeline[], { model, byId }: Fleet) {
  const members = pipelines.flat().map(({ nodeId }) => nodeId);
  expect(new Set(members).size).toBe(members.length);
  for (const pipeline of pipelines) {
    // Each layer exactly once, in order.
    let next = 0;
    for (const [i, { nodeId, layers }] of pipeline.entries()) {
      expect(layers[0]).toBe(next);
      expect(layers[1]).toBeGreaterThanOrEqual(layers[0]);
      next = layers[1] + 1;
      const node = byId.get(nodeId);
      expect(node && holds(node, model, layers, i === 0)).toBe(true);
    }
    expect(next).toBe(model.layerBytes.length);
  }
}

/** Worth of the best plan, by trying all: every partition, every order, every split. */
function bruteForce({ model, nodes, byId }: Fleet): number {
  const count = model.layerBytes.length;
  const rates = new Map<number, number>();
  const visit = (set: number, stages: Pipeline) => {
    const next = (stages.at(-1)?.layers[1] ?? -1) + 1;
    if (next === count) {
      const rate = 1 / stepMs(stages, byId, model);
      if (rate > (rates.get(set) ?? 0)) rates.set(set, rate);
      return;
    }
    nodes.forEach((node, i) => {
      if (set & (1 << i)) return;
      for (let last = next; last < count; last++) {
        if (!holds(node, model, [next, last], stages.length === 0)) break;
        visit(set | (1 << i), [...stages, { nodeId: node.id, layers: [next, last] }]);
      }
    });
  };
  visit(0, []);
  const bestWithin = (allowed: number): number => {
    let best = 0;
    for (const [set, rate] of rates) {
      // Pipelines in order of their sets' numbers, so that each partition is looked at once.
      if ((set & ~allowed) === 0) best = Math.max(best, rate + bestBelow(allowed & ~set, set));
    }
    return best;
  };
  const bestBelow = (allowed: number, below: number): number => {
    let best = 0;
    for (const [set, rate] of rates) {
      if (set < below && (set & ~allowed) === 0)
        best = Math.max(best, rate + bestBelow(allowed & ~set, set));
    }
    return best;
  };
  return bestWithin(2 ** nodes.length - 1);
}

describe('a plan from nothing', () => {
  test.each([
    ['few nodes', { min: 0, max: 5 }, { min: 1, max: 12 }, 2000],
    ['many nodes', { min: 7, max: 20 }, { min: 1, max: 40 }, 60],
  ])(
    'of %s has each layer exactly once, and respects every memory',
    (_, nodes, layers, numRuns) => {
      fc.assert(
        fc.property(fleet(nodes, layers), (f) => expectValid(planFleet(f.nodes, f.model), f)),
        { numRuns },
      );
    },
  );

  test('does not split what fits on one worker, and all such workers serve', () => {
    fc.assert(
      fc.property(fleet({ min: 1, max: 8 }, { min: 1, max: 12 }, 120), (f) => {
        const last = f.model.layerBytes.length - 1;
        const whole = f.nodes.filter((node) => holds(node, f.model, [0, last], true));
        const plan = planFleet(f.nodes, f.model);
        if (whole.length === 0) return;
        expect(plan.map((pipeline) => pipeline.map(({ nodeId }) => nodeId))).toEqual(
          whole.map(({ id }) => [id]),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('is as good as the best of all plans, for up to 6 nodes', () => {
    fc.assert(
      fc.property(fleet({ min: 1, max: 6 }, { min: 1, max: 7 }), (f) => {
        const best = bruteForce(f);
        const found = worth(planFleet(f.nodes, f.model), f.byId, f.model);
        expect(found).toBeGreaterThanOrEqual(best * 0.999);
      }),
      { numRuns: 1000 },
    );
  });

  test('for many nodes is not far from the best, where that can be known', () => {
    const ratios: number[] = [];
    fc.assert(
      fc.property(fleet({ min: 1, max: 5 }, { min: 1, max: 6 }), (f) => {
        const found = planLargeFleet(f.nodes, f.model);
        expectValid(found, f);
        const best = bruteForce(f);
        if (best > 0) ratios.push(worth(found, f.byId, f.model) / best);
      }),
      { numRuns: 500, seed: 1 },
    );
    expect(ratios.length).toBeGreaterThan(100);
    expect(ratios.reduce((a, b) => a + b, 0) / ratios.length).toBeGreaterThan(0.9);
  });
});

describe('a plan that follows another', () => {
  /** The same nodes, measured a little differently. */
  const remeasured = ({ nodes }: Fleet, factors: number[]): PlanNode[] =>
    nodes.map((node, i) => ({
      ...node,
      bytesPerSecond: node.bytesPerSecond * (factors[i] ?? 1),
    }));

  test('stays as it is when nodes are measured again', () => {
    fc.assert(
      fc.property(
        fleet({ min: 1, max: 5 }, { min: 1, max: 12 }),
        fc.array(fc.integer({ min: 95, max: 105 }).map((percent) => percent / 100)),
        (f, factors) => {
          const plan = planFleet(f.nodes, f.model);
          expect(replan(plan, remeasured(f, factors), f.model)).toEqual({ plan, better: null });
        },
      ),
      { numRuns: 200 },
    );
  });

  test('with a node less: the other pipelines stay, and it is said if far more is to be had', () => {
    fc.assert(
      fc.property(fleet({ min: 2, max: 5 }, { min: 1, max: 12 }), fc.nat(), (f, which) => {
        const plan = planFleet(f.nodes, f.model);
        const lost = f.nodes[which % f.nodes.length]!.id;
        const nodes = f.nodes.filter(({ id }) => id !== lost);
        const { plan: next, better } = replan(plan, nodes, f.model);
        expectValid(next, f);
        expect(next.flat().map(({ nodeId }) => nodeId)).not.toContain(lost);
        const intact = plan.filter((pipeline) => pipeline.every(({ nodeId }) => nodeId !== lost));
        const anew = worth(planFleet(nodes, f.model), f.byId, f.model);
        expect(next).toEqual(expect.arrayContaining(intact));
        const isBetter = anew > worth(next, f.byId, f.model) * MIN_GAIN;
        expect(better).toEqual(isBetter ? planFleet(nodes, f.model) : null);
        // And back: nothing moves, but what lost a member may go on as it was.
        expectValid(replan([...next, ...plan], f.nodes, f.model).plan, f);
      }),
      { numRuns: 200 },
    );
  });

  test('three equal nodes of which one comes back hold what they held', () => {
    const nodes = ['a', 'b', 'c'].map(
      (name): PlanNode => ({
        id: `node-${name}`,
        device: 'cpu',
        memoryBytes: 45 * MB,
        bytesPerSecond: 1e9,
        links: new Map(),
        otherLinksMs: 4,
      }),
    );
    const shape = evenPlan(12);
    const plan = planFleet(nodes, shape);
    expect(plan.map((pipeline) => pipeline.map(({ layers }) => layers))).toEqual([
      [
        [0, 3],
        [4, 7],
        [8, 11],
      ],
    ]);
    expect(replan(plan, nodes.slice(1), shape)).toEqual({ plan: [], better: null });
    expect(replan(plan, nodes, shape)).toEqual({ plan, better: null });
  });
});
