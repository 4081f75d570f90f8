/** Places of the nodes, left to right from the answer to the file. */
import { Graph, layout } from '@dagrejs/dagre';
import { KINDS, type LineageGraph } from './graph';

export const NODE = { width: 210, height: 62 } as const;

export function place(graph: LineageGraph): Map<string, { x: number; y: number }> {
  const g = new Graph();
  g.setGraph({ rankdir: 'LR', ranksep: 60, nodesep: 14 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const { id } of graph.nodes) g.setNode(id, { ...NODE });
  for (const { from, to } of graph.edges) g.setEdge(from, to);
  layout(g);
  // Dagre places centres, the page corners.
  const corner = (id: string) => {
    const { x = 0, y = 0 } = g.node(id) as { x?: number; y?: number };
    return { x: x - NODE.width / 2, y: y - NODE.height / 2 };
  };
  const places = new Map<string, { x: number; y: number }>();
  for (const kind of KINDS) {
    // Siblings from top to bottom in their own order: dagre's is any that crosses no edges.
    const ids = graph.nodes.filter((node) => node.kind === kind).map(({ id }) => id);
    const corners = ids.map(corner).sort((a, b) => a.y - b.y);
    ids.forEach((id, i) => {
      places.set(id, corners[i]!);
    });
  }
  const chosen = (kind: string) =>
    graph.nodes.find((node) => node.kind === kind && node.chosen)?.id ?? '';
  const shift = (places.get(chosen('tensor'))?.y ?? 0) - (places.get(chosen('chunk'))?.y ?? 0);
  // What is below the chosen tensor goes with it.
  for (const { id, kind } of graph.nodes) {
    const at = places.get(id);
    if (at && (kind === 'chunk' || kind === 'source file'))
      places.set(id, { ...at, y: at.y + shift });
  }
  return places;
}
