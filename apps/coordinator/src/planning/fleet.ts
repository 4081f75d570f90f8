/**
 * What a plan is made of, and what it is worth.
 *
 * The step time of a pipeline is the time of its slowest stage plus that of all its links, around the
 * ring and back to the head: with as many sequences in flight as there are stages, one token leaves
 * the slowest stage's place in each turn, and every sequence pays each link once a token. A pipeline's
 * rate is the inverse, and a plan is worth the sum of its rates.
 */

/** A model as far as a plan needs it. Bytes; one entry a layer. */
export interface PlanModel {
  /** Stored weights that a decode step goes through. */
  layerBytes: readonly number[];
  /** The same of the head beside its layers: norm and output head. */
  headBytes: number;
  /** Weights in memory. */
  memory: Record<Device, { layers: readonly number[]; head: number }>;
  /** K and V of one position in one layer. */
  kvBytes: Record<Device, number>;
  /** Positions that every stage must have room for. */
  positions: number;
}

export type Device = 'cpu' | 'gpu';

export interface PlanNode {
  id: string;
  device: Device;
  memoryBytes: number;
  /** Stored weight bytes that it goes through in a second. */
  bytesPerSecond: number;
  /** Known round trips to other nodes, ms: those to it are the same. */
  links: ReadonlyMap<string, number>;
  /** What is taken for the others, ms. */
  otherLinksMs: number;
}

interface PlannedStage {
  nodeId: string;
  /** First and last layer, inclusive. */
  layers: [first: number, last: number];
}

/** In the order of the layers; the head first. */
export type Pipeline = readonly PlannedStage[];

/** A node that says that it is slower than a disk has not measured itself. */
const MIN_BYTES_PER_SECOND = 10e6;

/** Time of one way between two nodes, ms. */
export const linkMs = (from: PlanNode, to: PlanNode): number =>
  (from.links.get(to.id) ?? from.otherLinksMs) / 2;

/** Bytes of weights that a node goes through in a second, as far as it is believed. */
export const speedOf = ({ bytesPerSecond }: PlanNode): number =>
  Math.max(bytesPerSecond, MIN_BYTES_PER_SECOND);

/** Time in which a node goes through that many bytes of weights, ms. */
export const passMs = (node: PlanNode, bytes: number): number => (bytes * 1000) / speedOf(node);

/** Whether the layers, with their K and V, fit into the node. */
export function fits(
  node: PlanNode,
  model: PlanModel,
  [first, last]: readonly [number, number],
  isHead: boolean,
): boolean {
  return memoryOf(node, model, first, last, isHead) <= node.memoryBytes;
}

function memoryOf(
  { device }: PlanNode,
  model: PlanModel,
  first: number,
  last: number,
  isHead: boolean,
): number {
  const { layers, head } = model.memory[device];
  let bytes = isHead ? head : 0;
  for (let i = first; i <= last; i++) bytes += layers[i]!;
  return bytes + (last - first + 1) * model.kvBytes[device] * model.positions;
}

/** Step time in ms; infinite when a member is unknown. Whether it fits is not asked: it may be loaded. */
export function stepMs(
  pipeline: Pipeline,
  nodes: ReadonlyMap<string, PlanNode>,
  model: PlanModel,
): number {
  let slowest = 0;
  let links = 0;
  for (const [i, { nodeId, layers }] of pipeline.entries()) {
    const node = nodes.get(nodeId);
    const next = nodes.get(pipeline[(i + 1) % pipeline.length]!.nodeId);
    if (!node || !next) return Number.POSITIVE_INFINITY;
    let bytes = i === 0 ? model.headBytes : 0;
    for (let l = layers[0]; l <= layers[1]; l++) bytes += model.layerBytes[l]!;
    slowest = Math.max(slowest, passMs(node, bytes));
    if (pipeline.length > 1) links += linkMs(node, next);
  }
  return slowest + links;
}

/** What a plan is worth: tokens in a millisecond when there is enough to do. */
export const worth = (
  pipelines: readonly Pipeline[],
  nodes: ReadonlyMap<string, PlanNode>,
  model: PlanModel,
): number => pipelines.reduce((sum, pipeline) => sum + 1 / stepMs(pipeline, nodes, model), 0);
