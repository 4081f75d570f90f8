/** What is known of a way from an answer to its bytes, as the nodes and edges of a graph. */
import type { Readable } from '@blyan/chain/json';
import type { SourceRange } from '@blyan/chain/types';
import {
  blockHref,
  type LineagePlace,
  lineageHref,
  modelHref,
  receiptHref,
  tensorHref,
} from '@/lib/explorer-links';
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
  /** Stands for siblings that are not shown: its `href` shows the next ones of them. */
  more: boolean;
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

/** Siblings that are shown together: more would make the graph unreadable. */
const SIBLINGS = 9;

export function lineageGraph(data: LineageData): LineageGraph {
  const graph: LineageGraph = { nodes: [], edges: [] };
  const upper = [...addAnswer(graph, data), ...addModel(graph, data)];
  for (let i = 1; i < upper.length; i++) link(graph, upper[i - 1]!, upper[i]!, true);
  const layer = addLayers(graph, data, upper.at(-1) ?? null);
  const tensor = layer && addTensors(graph, data, layer);
  if (tensor) addBytes(graph, data, tensor);
  return graph;
}

function link(graph: LineageGraph, from: string, to: string, chosen: boolean): void {
  graph.edges.push({ from, to, chosen });
}

type Known = Pick<LineageNode, 'kind' | 'title' | 'detail' | 'href' | 'page'> & { id?: string };

/** A node of the way itself. */
function addChosen(graph: LineageGraph, node: Known): string {
  const id = node.id ?? node.kind;
  graph.nodes.push({ ...node, id, chosen: true, more: false });
  return id;
}

function addAnswer(graph: LineageGraph, { answer }: LineageData): string[] {
  if (!answer) return [];
  const { id, receipt } = answer;
  const first = addChosen(graph, {
    kind: 'answer',
    title: shortHash(id),
    detail: receipt ? `${formatCount(receipt.usage.completionTokens)} tokens` : 'no receipt',
    href: lineageHref({ answer: id }),
    page: receiptHref(id),
  });
  if (!receipt) return [first];
  const second = addChosen(graph, {
    kind: 'receipt',
    title: `seed ${receipt.params.seed}`,
    detail: receipt.nodes.map((node) => node.id).join(', '),
    href: null,
    page: receiptHref(id),
  });
  return [first, second];
}

function addModel(graph: LineageGraph, { answer, model }: LineageData): string[] {
  if (!model) return [];
  return [
    addChosen(graph, {
      kind: 'model',
      title: model.name,
      detail: `block A ${model.height}, ${formatParameters(model.parameters)} weights`,
      href: lineageHref({ answer: answer?.id, model: model.hash }),
      page: modelHref(model.hash),
    }),
  ];
}

/** Everything that is chosen, and where the lists of siblings stand. */
const placeOf = ({ answer, model, group, tensor, chunk, from }: LineageData): LineagePlace => ({
  answer: answer?.id,
  model: model?.hash,
  group: group ?? undefined,
  tensor: tensor?.root,
  chunk: chunk ?? undefined,
  ...from,
});

function addLayers(graph: LineageGraph, data: LineageData, above: string | null): string | null {
  const { answer, model, group, tensor, from } = data;
  if (!model) {
    return (
      tensor &&
      addChosen(graph, {
        kind: 'layer',
        title: tensor.group,
        detail: `block B ${tensor.height}`,
        href: null,
        page: blockHref('B', tensor.block),
      })
    );
  }
  const place = { answer: answer?.id, model: model.hash, layersFrom: from.layersFrom };
  return addSiblings(graph, above, {
    entries: model.groups,
    isChosen: (entry) => entry.group === group,
    from: from.layersFrom,
    name: (entry) => entry.group,
    moreHref: (layersFrom) => lineageHref({ ...placeOf(data), layersFrom }),
    node: (entry) => ({
      kind: 'layer',
      title: entry.group,
      detail: `${plural(entry.tensors, 'tensor')}, ${formatBytes(entry.bytes)}`,
      href: lineageHref({ ...place, group: entry.group }),
      page: blockHref('B', entry.block),
    }),
  });
}

/** Without the place of the layer, which is above it: `self_attn.q_proj.weight`. */
const shortName = ({ name }: { name: string }) =>
  name
    .replace(/^.*\.\d+\./, '')
    .split('.')
    .slice(-3)
    .join('.');

function addTensors(graph: LineageGraph, data: LineageData, layer: string): string | null {
  const { tensors, tensor, from } = data;
  const { chunk: _, tensor: __, chunksFrom: ___, ...place } = placeOf(data);
  return addSiblings(graph, layer, {
    entries: tensors,
    isChosen: ({ root }) => root === tensor?.root,
    from: from.tensorsFrom,
    name: (entry) => shortName(entry),
    moreHref: (tensorsFrom) => lineageHref({ ...placeOf(data), tensorsFrom }),
    node: (entry) => ({
      kind: 'tensor',
      title: shortName(entry),
      detail: `${entry.shape.join(' × ')}, ${entry.format}`,
      href: lineageHref({ ...place, tensor: entry.root }),
      page: tensorHref(entry.root),
    }),
  });
}

function addBytes(graph: LineageGraph, data: LineageData, above: string): void {
  const { model, tensor, from } = data;
  if (!tensor) return;
  const source = tensor.source as Readable<SourceRange>;
  const wanted = data.chunk ?? 0;
  addSiblings(graph, above, {
    entries: Array.from({ length: tensor.chunks }, (_, i) => i),
    isChosen: (i) => i === wanted,
    from: from.chunksFrom,
    name: (i) => `chunk ${i}`,
    moreHref: (chunksFrom) => lineageHref({ ...placeOf(data), chunksFrom }),
    node: (i) => ({
      kind: 'chunk',
      title: `chunk ${i} of ${tensor.chunks}`,
      detail: formatBytes(Math.min(tensor.leafSize, tensor.byteLength - i * tensor.leafSize)),
      href: lineageHref({ ...placeOf(data), chunk: i }),
      page: tensorHref(tensor.root),
    }),
  });
  const last = source.offset + source.length - 1;
  const file = addChosen(graph, {
    kind: 'source file',
    title: `SHA-256 ${shortHash(source.file)}`,
    detail: `bytes ${formatCount(source.offset)} to ${formatCount(last)}`,
    href: null,
    page: model ? `/explorer/own-file/${model.hash}` : null,
  });
  for (const { id, kind, chosen } of graph.nodes) {
    if (kind === 'chunk') link(graph, id, file, chosen);
  }
}

interface Siblings<T> {
  entries: readonly T[];
  isChosen(entry: T): boolean;
  /** First one to show; around the chosen one when it is left open. */
  from: number | undefined;
  name(entry: T): string;
  moreHref(from: number): string;
  node(entry: T): Known;
}

/** The chosen one, siblings beside it, and how many there are above and below. Returns the chosen one's id. */
function addSiblings<T>(
  graph: LineageGraph,
  above: string | null,
  { entries, isChosen, from, name, moreHref, node }: Siblings<T>,
): string | null {
  const at = entries.findIndex(isChosen);
  const wanted = from ?? Math.max(0, at) - Math.floor(SIBLINGS / 2);
  const first = Math.max(0, Math.min(entries.length - SIBLINGS, wanted));
  const end = Math.min(entries.length, first + SIBLINGS);
  let found: string | null = null;
  const add = (i: number) => {
    const known = node(entries[i]!);
    const id = `${known.kind} ${i}`;
    if (i === at) found = id;
    graph.nodes.push({ ...known, id, chosen: i === at, more: false });
    if (above) link(graph, above, id, i === at);
  };
  /** Entries from `start` to `stop` are left out, but for the chosen one. */
  const addMore = (where: 'above' | 'below', start: number, stop: number, next: number) => {
    const isWithin = start <= at && at < stop;
    if (isWithin && where === 'below') add(at);
    const hidden = stop - start - (isWithin ? 1 : 0);
    if (hidden > 0) {
      const { kind } = node(entries[start]!);
      const id = `${kind} ${where}`;
      graph.nodes.push({
        id,
        kind,
        title: `${formatCount(hidden)} more ${where}`,
        detail: `${name(entries[start]!)} to ${name(entries[stop - 1]!)}`,
        href: moreHref(next),
        page: null,
        chosen: false,
        more: true,
      });
      if (above) link(graph, above, id, false);
    }
    if (isWithin && where === 'above') add(at);
  };
  addMore('above', 0, first, Math.max(0, first - SIBLINGS));
  for (let i = first; i < end; i++) add(i);
  addMore('below', end, entries.length, end);
  return found;
}
