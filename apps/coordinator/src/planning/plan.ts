/** Which nodes hold which layers: pure functions of the fleet, the model and the plan before. */
import { fits, type Pipeline, type PlanModel, type PlanNode, worth } from './fleet.ts';
import { planLargeFleet } from './large-fleet.ts';
import { MOST_EXACT, planSmallFleet } from './small-fleet.ts';

/** A plan in use is left for another one only if that is worth so much more: moving costs minutes. */
export const MIN_GAIN = 1.2;

/**
 * A plan from nothing. What fits on one worker is not split: each that has room for the whole model
 * serves it alone. Only if there is none, pipelines are made of several. Nodes may be left over.
 */
export function planFleet(nodes: readonly PlanNode[], model: PlanModel): Pipeline[] {
  const last = model.layerBytes.length - 1;
  const whole = nodes.filter((node) => fits(node, model, [0, last], true));
  if (whole.length > 0) return whole.map(({ id }) => [{ nodeId: id, layers: [0, last] }]);
  return nodes.length <= MOST_EXACT ? planSmallFleet(nodes, model) : planLargeFleet(nodes, model);
}

export interface Replan {
  /** Pipelines whose members are all there stay, and free nodes are made use of. */
  plan: Pipeline[];
  /**
   * A plan from nothing that is worth more than MIN_GAIN times as much; null when there is none. The
   * candidate itself as long as it is so, unless one makes more pipelines.
   */
  better: Pipeline[] | null;
}

/**
 * What follows a plan.
 *
 * @param before in order of preference: of those that share a member the first one counts. A pipeline
 *   that was broken may be among them: when its members are back they have their layers loaded.
 * @param candidate what was better at the last look. Speeds are noisy, and of many plans some one nearly
 *   always looks better; only one that stays so is.
 */
export function replan(
  before: readonly Pipeline[],
  nodes: readonly PlanNode[],
  model: PlanModel,
  candidate: Pipeline[] | null = null,
): Replan {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const taken = new Set<string>();
  const kept = before.filter((pipeline) => {
    const ids = pipeline.map(({ nodeId }) => nodeId);
    if (!ids.every((id) => byId.has(id) && !taken.has(id))) return false;
    for (const id of ids) taken.add(id);
    return true;
  });
  const free = nodes.filter(({ id }) => !taken.has(id));
  const plan = [...kept, ...planFleet(free, model)];
  const anew = planFleet(nodes, model);
  const enough = worth(plan, byId, model) * MIN_GAIN;
  const isBetter = (other: Pipeline[]) => worth(other, byId, model) > enough;
  const makesMore = anew.length > plan.length && isBetter(anew);
  if (!makesMore && candidate && isPossible(candidate, byId, model) && isBetter(candidate))
    return { plan, better: candidate };
  return { plan, better: isBetter(anew) ? anew : null };
}

const isPossible = (
  pipelines: readonly Pipeline[],
  nodes: ReadonlyMap<string, PlanNode>,
  model: PlanModel,
): boolean =>
  pipelines.every((pipeline) =>
    pipeline.every(({ nodeId, layers }, i) => {
      const node = nodes.get(nodeId);
      return node !== undefined && fits(node, model, layers, i === 0);
    }),
  );
