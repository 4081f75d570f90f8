/** What is known of a way from an answer to its bytes, as the nodes and edges of a graph. */
import type { Readable } from '@blyan/chain/json';
import type { SourceRange } from '@blyan/chain/types';
import { blockHref, lineageHref, modelHref, receiptHref, tensorHref } from '@/lib/explorer-links';
import { formatBytes, formatCount, formatParameters, plural } from '@/lib/format';
import { shortHash } from '@/lib/hash';
import type { LineageData } from '@/server/explorer/lineage';

export const KINDS = [
  'answer',
  'receipt',
  'model',
  'layer',
  'tensor',
  'chunk',
  'source file',
] as const;
type Kind = (typeof KINDS)[number];

export interface LineageNode {
  id: string;
  kind: Kind;
  title: string;
  detail: string;
  /** Chooses it, so that what is below it appears; null for what has nothing below. */
  href: string | null;
  /** Its own page. */
  page: string | null;
  chosen: boolean;
}
export interface LineageGraph {
  nodes: LineageNode[];
  edges: { from: string; to: string; chosen: boolean }[];
}

/** Siblings beside the chosen one: more would make the graph unreadable, and the model's page lists all. */
const SIBLINGS = 9;

export function lineageGraph(data: LineageData): LineageGraph {
  const graph: LineageGraph = { nodes: [], edges: [] };
  const upper = [...addAnswer(graph, data), ...addModel(graph, data)];
  for (let i = 1; i < upper.length; i++) link(graph, upper[i - 1]!, upper[i]!, true);
  const layer = addLayers(graph, data, upper.at(-1));
  const tensor = addTensors(graph, data, layer);
  if (tensor) addBytes(graph, data, tensor);
  return graph;
}

function link(graph: LineageGraph, from: string, to: string, chosen: boolean): void {
  graph.edges.push({ from, to, chosen });
}

function addAnswer(graph: LineageGraph, { answer }: LineageData): string[] {
  if (!answer) return [];
  const { id, receipt } = answer;
  graph.nodes.push({
    id: 'answer',
    kind: 'answer',
    title: shortHash(id),
    detail: receipt ? `${formatCount(receipt.usage.completionTokens)} tokens` : 'no receipt',
    href: lineageHref({ answer: id }),
    page: receiptHref(id),
    chosen: true,
  });
  if (!receipt) return ['answer'];
  graph.nodes.push({
    id: 'receipt',
    kind: 'receipt',
    title: `seed ${receipt.params.seed}`,
    detail: receipt.nodes.map((node) => node.id).join(', '),
    href: null,
    page: receiptHref(id),
    chosen: true,
  });
  return ['answer', 'receipt'];
}

function addModel(graph: LineageGraph, { answer, model }: LineageData): string[] {
  if (!model) return [];
  graph.nodes.push({
    id: 'model',
    kind: 'model',
    title: model.name,
    detail: `block A ${model.height}, ${formatParameters(model.parameters)} weights`,
    href: lineageHref({ answer: answer?.id, model: model.hash }),
    page: modelHref(model.hash),
    chosen: true,
  });
  return ['model'];
}

function addLayers(
  graph: LineageGraph,
  data: LineageData,
  above: string | undefined,
): string | null {
  const { answer, model, group, tensor } = data;
  if (!model) {
    if (!tensor) return null;
    graph.nodes.push({
      id: 'layer',
      kind: 'layer',
      title: tensor.group,
      detail: `block B ${tensor.height}`,
      href: null,
      page: blockHref('B', tensor.block),
      chosen: true,
    });
    return 'layer';
  }
  const shown = around(model.groups, ({ group: name }) => name === group);
  for (const entry of shown) {
    const chosen = entry.group === group;
    const id = `layer ${entry.group}`;
    graph.nodes.push({
      id,
      kind: 'layer',
      title: entry.group,
      detail: `${plural(entry.tensors, 'tensor')}, ${formatBytes(entry.bytes)}`,
      href: lineageHref({ answer: answer?.id, model: model.hash, group: entry.group }),
      page: blockHref('B', entry.block),
      chosen,
    });
    if (above) link(graph, above, id, chosen);
  }
  return shown.some((entry) => entry.group === group) ? `layer ${group}` : null;
}

function addTensors(graph: LineageGraph, data: LineageData, layer: string | null): string | null {
  const { answer, model, group, tensors, tensor } = data;
  if (!layer) return null;
  let found: string | null = null;
  for (const entry of around(tensors, ({ root }) => root === tensor?.root)) {
    const chosen = entry.root === tensor?.root;
    const id = `tensor ${entry.name}`;
    if (chosen) found ??= id;
    const place = { answer: answer?.id, model: model?.hash, group: group ?? undefined };
    graph.nodes.push({
      id,
      kind: 'tensor',
      title: entry.name.split('.').slice(-3).join('.'),
      detail: `${entry.shape.join(' × ')}, ${entry.format}`,
      href: lineageHref({ ...place, tensor: entry.root }),
      page: tensorHref(entry.root),
      chosen,
    });
    link(graph, layer, id, chosen);
  }
  return found;
}

function addBytes(graph: LineageGraph, data: LineageData, above: string): void {
  const { answer, model, group, tensor } = data;
  if (!tensor) return;
  const source = tensor.source as Readable<SourceRange>;
  const range = `bytes ${formatCount(source.offset)} to ${formatCount(source.offset + source.length - 1)}`;
  const chunks = Array.from({ length: tensor.chunks }, (_, i) => i);
  const wanted = data.chunk ?? 0;
  for (const chunk of around(chunks, (i) => i === wanted)) {
    const id = `chunk ${chunk}`;
    const size = Math.min(tensor.leafSize, tensor.byteLength - chunk * tensor.leafSize);
    const chosen = chunk === wanted;
    const place = { answer: answer?.id, model: model?.hash, group: group ?? undefined };
    graph.nodes.push({
      id,
      kind: 'chunk',
      title: `chunk ${chunk} of ${tensor.chunks}`,
      detail: formatBytes(size),
      href: lineageHref({ ...place, tensor: tensor.root, chunk }),
      page: tensorHref(tensor.root),
      chosen,
    });
    link(graph, above, id, chosen);
    link(graph, id, 'source', chosen);
  }
  graph.nodes.push({
    id: 'source',
    kind: 'source file',
    title: `SHA-256 ${shortHash(source.file)}`,
    detail: range,
    href: null,
    page: model ? `/explorer/own-file/${model.hash}` : null,
    chosen: true,
  });
}

/** The chosen entry and its neighbours, at most SIBLINGS; the first ones when none is chosen. */
function around<T>(entries: readonly T[], isChosen: (entry: T) => boolean): T[] {
  const at = Math.max(0, entries.findIndex(isChosen));
  const first = Math.max(0, Math.min(entries.length - SIBLINGS, at - Math.floor(SIBLINGS / 2)));
  return entries.slice(first, first + SIBLINGS);
}
