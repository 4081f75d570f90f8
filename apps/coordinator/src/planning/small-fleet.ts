/** The best plan for a few nodes, by looking at every order of every subset. */
import type { Pipeline, PlanModel, PlanNode } from './fleet.ts';
import { leastMs, type Split, type Sums, splitOver, sumsOf } from './split.ts';

/** Orders of the subsets of 6 nodes: 1956; of 7 already 13699, which takes a tenth of a second. */
export const MOST_EXACT = 6;

/** Disjoint pipelines whose rates add up to the most. */
export function planSmallFleet(nodes: readonly PlanNode[], model: PlanModel): Pipeline[] {
  const best = bestOfSubsets(nodes, sumsOf(model));
  const full = 2 ** nodes.length;
  const rate = new Array<number>(full).fill(0);
  const choice = new Array<number>(full).fill(0);
  for (let set = 1; set < full; set++) {
    const first = set & -set;
    // The first node of the set stays out, or is in one of the pipelines.
    rate[set] = rate[set ^ first]!;
    for (let part = set; part > 0; part = (part - 1) & set) {
      const split = best[part];
      if (!(part & first) || !split) continue;
      const sum = 1 / split.stepMs + rate[set ^ part]!;
      if (sum > rate[set]!) {
        rate[set] = sum;
        choice[set] = part;
      }
    }
  }
  const pipelines: Pipeline[] = [];
  for (let set = full - 1; set > 0; ) {
    const part = choice[set]!;
    if (part > 0) pipelines.push(best[part]!.pipeline);
    set ^= part > 0 ? part : set & -set;
  }
  return pipelines;
}

/** By the bits of a subset, the best pipeline that uses all of it. */
function bestOfSubsets(nodes: readonly PlanNode[], model: Sums): (Split | undefined)[] {
  const best: (Split | undefined)[] = [];
  const order: PlanNode[] = [];
  const visit = (set: number) => {
    const known = best[set]?.stepMs ?? Number.POSITIVE_INFINITY;
    if (order.length > 0 && leastMs(order, model) < known) {
      const split = splitOver(order, model);
      if (split && split.stepMs < known) best[set] = split;
    }
    if (order.length === model.count) return;
    nodes.forEach((node, i) => {
      if (set & (1 << i)) return;
      order.push(node);
      visit(set | (1 << i));
      order.pop();
    });
  };
  visit(0);
  return best;
}
