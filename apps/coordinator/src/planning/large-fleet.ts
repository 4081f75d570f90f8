/**
 * A good plan for many nodes: one pipeline after the other, each grown from several heads and then
 * improved in small steps. What is sought is rate for the speed that it takes from the rest, because
 * a pipeline that is faster only by taking more nodes leaves fewer for others.
 */
import { linkMs, type Pipeline, type PlanModel, type PlanNode, speedOf } from './fleet.ts';
import { leastMs, reach, type Split, type Sums, splitOver, sumsOf } from './split.ts';

/** Heads that are tried for each pipeline, and candidates for each place: bounds the work. */
const HEADS = 6;
const CANDIDATES = 8;
/** Rounds of improvement; most end after two or three. */
const ROUNDS = 8;

/** Disjoint pipelines, the best first. */
export function planLargeFleet(nodes: readonly PlanNode[], model: PlanModel): Pipeline[] {
  const sums = sumsOf(model);
  const pipelines: Pipeline[] = [];
  let free = [...nodes].sort((a, b) => b.memoryBytes - a.memoryBytes || (a.id < b.id ? -1 : 1));
  for (;;) {
    const found = bestOf(free, sums);
    if (!found) return pipelines;
    pipelines.push(found.pipeline);
    const taken = new Set(found.pipeline.map(({ nodeId }) => nodeId));
    free = free.filter(({ id }) => !taken.has(id));
  }
}

interface Candidate extends Split {
  order: PlanNode[];
  /** Rate for the speed that it takes. */
  score: number;
}

function bestOf(free: readonly PlanNode[], model: Sums): Candidate | null {
  let best: Candidate | null = null;
  for (const head of free.slice(0, HEADS)) {
    const grown = grow(head, free, model);
    const improved = grown && improve(grown, free, model);
    if (improved && (!best || improved.score > best.score)) best = improved;
  }
  return best;
}

function grow(head: PlanNode, free: readonly PlanNode[], model: Sums): Candidate | null {
  const order = [head];
  const rest = free.filter((node) => node !== head);
  for (;;) {
    const found = evaluate(order, model);
    if (found) return found;
    if (order.length >= model.count) return null;
    const last = order.at(-1)!;
    const before = reach(order, model);
    // What holds many layers and is near: each further stage costs a link at every token.
    const value = (node: PlanNode) =>
      (reach([...order, node], model) - before) / (1 + linkMs(last, node));
    let next: { node: PlanNode; value: number } | null = null;
    for (const node of rest) {
      const found = { node, value: value(node) };
      if (found.value > (next?.value ?? 0)) next = found;
    }
    if (!next) return null;
    order.push(next.node);
    rest.splice(rest.indexOf(next.node), 1);
  }
}

/** Leaves a stage out, takes another node for it, puts one in, or swaps two, while that helps. */
function improve(start: Candidate, free: readonly PlanNode[], model: Sums): Candidate {
  let best = start;
  for (let round = 0; round < ROUNDS; round++) {
    const before = best;
    for (const order of neighbours(before.order, free)) {
      const found = evaluate(order, model, best.score);
      if (found && found.score > best.score * (1 + 1e-9)) best = found;
    }
    if (best === before) return best;
  }
  return best;
}

function* neighbours(order: readonly PlanNode[], free: readonly PlanNode[]): Generator<PlanNode[]> {
  const outside = free.filter((node) => !order.includes(node)).slice(0, CANDIDATES);
  for (let i = 0; i <= order.length; i++) {
    if (order.length > 1 && i < order.length) yield order.toSpliced(i, 1);
    for (const node of outside) {
      if (i < order.length) yield order.with(i, node);
      yield order.toSpliced(i, 0, node);
    }
    for (let j = i + 1; j < order.length; j++) yield order.with(i, order[j]!).with(j, order[i]!);
  }
}

/** Null when it does not fit, or cannot have a higher score than `atLeast`. */
function evaluate(order: readonly PlanNode[], model: Sums, atLeast = 0): Candidate | null {
  const speed = order.reduce((sum, node) => sum + speedOf(node), 0);
  if (order.length === 0 || 1 / (leastMs(order, model) * speed) <= atLeast) return null;
  const split = splitOver(order, model);
  if (!split) return null;
  return { ...split, order: [...order], score: 1 / (split.stepMs * speed) };
}
