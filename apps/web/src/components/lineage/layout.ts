/** Places of the nodes, left to right from the answer to the file. */
import { Graph, layout } from '@dagrejs/dagre';
import type { LineageGraph } from './graph';

export const NODE = { width: 210, height: 62 } as const;

export function place(graph: LineageGraph): Map<string, { x: number; y: number }> {
  const g = new Graph();
  g.setGraph({ rankdir: 'LR', ranksep: 60, nodesep: 14 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const { id } of graph.nodes) g.setNode(id, { ...NODE });
  for (const { from, to } of graph.edges) g.setEdge(from, to);
  layout(g);
  return new Map(
    graph.nodes.map(({ id }) => {
      // Dagre places centres, the page corners.
      const { x = 0, y = 0 } = g.node(id) as { x?: number; y?: number };
      return [id, { x: x - NODE.width / 2, y: y - NODE.height / 2 }];
    }),
  );
}
