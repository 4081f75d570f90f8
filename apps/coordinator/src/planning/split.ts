/** The best split of a model's layers over nodes whose order is given. */
import {
  type Device,
  linkMs,
  type Pipeline,
  type PlanModel,
  type PlanNode,
  passMs,
} from './fleet.ts';

/** How near to the best the slowest stage's time is found: finer than any measurement of it. */
const TOLERANCE = 1e-4;

export interface Split {
  pipeline: Pipeline;
  stepMs: number;
}

/** A model's sizes added up: entry i is of the layers before layer i. */
export interface Sums {
  count: number;
  bytes: readonly number[];
  headBytes: number;
  /** With K and V. */
  memory: Record<Device, readonly number[]>;
  headMemory: Record<Device, number>;
}

export function sumsOf(model: PlanModel): Sums {
  const { layerBytes, headBytes, memory, kvBytes, positions } = model;
  const adding = (sizes: readonly number[]) => {
    const sums = [0];
    for (const size of sizes) sums.push(sums.at(-1)! + size);
    return sums;
  };
  const held = (device: Device) =>
    adding(memory[device].layers.map((bytes) => bytes + kvBytes[device] * positions));
  return {
    count: layerBytes.length,
    bytes: adding(layerBytes),
    headBytes,
    memory: { cpu: held('cpu'), gpu: held('gpu') },
    headMemory: { cpu: memory.cpu.head, gpu: memory.gpu.head },
  };
}

/**
 * Splits a model over nodes in this order, each taking one range of at least one layer, so that the
 * slowest stage is as fast as can be. Whether a time is feasible follows from the layers that each node
 * can end at; the least feasible one is found by halving.
 *
 * @returns null when the layers do not fit into their memory, or one would hold none
 */
export function splitOver(order: readonly PlanNode[], model: Sums): Split | null {
  if (order.length === 0 || order.length > model.count) return null;
  let best = fill(order, model, Number.POSITIVE_INFINITY);
  if (!best) return null;
  // No better than if the work were shared out in proportion.
  let low = passAllMs(order, model) * (1 - TOLERANCE);
  let high = best.slowest;
  while (high - low > high * TOLERANCE) {
    const middle = (low + high) / 2;
    const found = fill(order, model, middle);
    if (found) {
      best = found;
      high = found.slowest;
    } else low = middle;
  }
  const { starts } = best;
  return {
    pipeline: order.map((node, i) => ({
      nodeId: node.id,
      layers: [starts[i]!, (starts[i + 1] ?? model.count) - 1],
    })),
    stepMs: best.slowest + ringMs(order),
  };
}

/** A step time that no split over these nodes is below. */
export const leastMs = (order: readonly PlanNode[], model: Sums): number =>
  passAllMs(order, model) + ringMs(order);

function ringMs(order: readonly PlanNode[]): number {
  if (order.length < 2) return 0;
  return order.reduce((sum, node, i) => sum + linkMs(node, order[(i + 1) % order.length]!), 0);
}

/** Layers that nodes in this order have room for, from the first one on. */
export function reach(order: readonly PlanNode[], model: Sums): number {
  let next = 0;
  for (const [i, node] of order.entries()) {
    next = lastEnd(node, model, { start: next, isHead: i === 0, mostMs: Number.POSITIVE_INFINITY });
  }
  return next;
}

function passAllMs(order: readonly PlanNode[], { bytes, headBytes }: Sums): number {
  return (bytes.at(-1)! + headBytes) / order.reduce((sum, node) => sum + 1 / passMs(node, 1), 0);
}

interface Range {
  start: number;
  isHead: boolean;
  /** Time that the stage may take. */
  mostMs: number;
  /** It is known to have room up to there. */
  from?: number;
}

/** The layer behind the last one that a node can hold together with `start`; `start` for none. */
function lastEnd(node: PlanNode, model: Sums, { start, isHead, mostMs, from }: Range): number {
  const memory = model.memory[node.device];
  const room = node.memoryBytes - (isHead ? model.headMemory[node.device] : 0) + memory[start]!;
  const most = mostMs / passMs(node, 1) - (isHead ? model.headBytes : 0) + model.bytes[start]!;
  let end = Math.max(start, from ?? start);
  while (end < model.count && memory[end + 1]! <= room && model.bytes[end + 1]! <= most) end++;
  return end;
}

/** First layer of each node, when none is slower than `mostMs`; null when that fails. */
function fill(
  order: readonly PlanNode[],
  model: Sums,
  mostMs: number,
): { starts: number[]; slowest: number } | null {
  const { count } = model;
  /** For each node, by the layer that it begins with, the last end that it can have. */
  const ends: Int32Array[] = [];
  let reached = new Uint8Array(count + 1);
  reached[0] = 1;
  for (const [i, node] of order.entries()) {
    const end = new Int32Array(count + 1);
    const next = new Uint8Array(count + 1);
    let from = 0;
    let marked = 0;
    for (let start = 0; start < count; start++) {
      if (!reached[start]) continue;
      from = lastEnd(node, model, { start, isHead: i === 0, mostMs, from });
      end[start] = from;
      // All ends from the layer behind the start to the last one; those before are marked already.
      for (let at = Math.max(start + 1, marked); at <= from; at++) next[at] = 1;
      marked = Math.max(marked, from + 1);
    }
    ends.push(end);
    reached = next;
  }
  if (!reached[count]) return null;
  const starts: number[] = [];
  let slowest = 0;
  for (let i = order.length - 1, end = count; i >= 0; i--) {
    let start = i === 0 ? 0 : end - 1;
    // The shortest range that leads here from a start that is reached: marked by its own last end.
    while (ends[i]![start]! < end) start--;
    starts.unshift(start);
    const bytes = model.bytes[end]! - model.bytes[start]! + (i === 0 ? model.headBytes : 0);
    slowest = Math.max(slowest, passMs(order[i]!, bytes));
    end = start;
  }
  return { starts, slowest };
}
