'use client';

import '@xyflow/react/dist/style.css';
import {
  Background,
  Controls,
  type Edge,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from '@xyflow/react';
import Link from 'next/link';
import { type CSSProperties, useMemo } from 'react';
import type { LineageGraph, LineageNode } from './graph';
import { NODE, place } from './layout';

type FlowNode = Node<{ entry: LineageNode }, 'entry'>;
const TYPES = { entry: Entry };

/** Of our own, which follow the theme: the library's would be the server's guess until something changes. */
const COLOURS = {
  '--xy-controls-button-background-color': 'var(--surface)',
  '--xy-controls-button-background-color-hover': 'var(--sunken)',
  '--xy-controls-button-color': 'var(--ink)',
  '--xy-controls-button-color-hover': 'var(--ink)',
  '--xy-controls-button-border-color': 'var(--line)',
  '--xy-attribution-background-color': 'transparent',
} as CSSProperties;

/** The graph to look at and to click through; the list beside it is the same for keyboards and readers. */
export function LineageFlow({ graph }: { graph: LineageGraph }) {
  const { nodes, edges } = useMemo(() => flowOf(graph), [graph]);
  return (
    <div className="h-[34rem] rounded-md border bg-surface" style={COLOURS}>
      <ReactFlow
        key={graph.nodes.map(({ id, chosen }) => `${id}${chosen}`).join()}
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        aria-label="Lineage as a graph; the same is a list below"
        fitView
        minZoom={0.15}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        preventScrolling={false}
        zoomOnScroll={false}
      >
        <Background color="var(--line)" bgColor="var(--surface)" />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function flowOf(graph: LineageGraph): { nodes: FlowNode[]; edges: Edge[] } {
  const places = place(graph);
  return {
    nodes: graph.nodes.map((entry) => ({
      id: entry.id,
      type: 'entry',
      position: places.get(entry.id)!,
      data: { entry },
      // What can be neither dragged nor selected would get no clicks, and its link neither.
      style: { pointerEvents: 'all' },
      ...NODE,
    })),
    edges: graph.edges.map(({ from, to, chosen }) => ({
      id: `${from} > ${to}`,
      source: from,
      target: to,
      markerEnd: { type: MarkerType.ArrowClosed },
      style: {
        stroke: chosen ? 'var(--accent)' : 'var(--line-strong)',
        strokeWidth: chosen ? 2 : 1,
      },
    })),
  };
}

function Entry({ data: { entry } }: NodeProps<FlowNode>) {
  const { kind, title, detail, href, page, chosen, more } = entry;
  const target = href && !chosen ? href : (page ?? href);
  const body = (
    <span
      className={`block h-full overflow-hidden rounded-md border bg-page px-2.5 py-1.5 text-left ${chosen ? 'border-accent' : 'border-line-strong'} ${more ? 'border-dashed' : ''} ${target ? 'hover:bg-sunken' : ''}`}
    >
      <span className="block text-[0.6875rem] leading-tight text-faint">{kind}</span>
      <span className="block truncate text-[0.8125rem] leading-snug font-medium">{title}</span>
      <span className="block truncate text-[0.6875rem] leading-tight text-soft">{detail}</span>
    </span>
  );
  return (
    <div style={NODE}>
      <Handle type="target" position={Position.Left} className="!opacity-0" isConnectable={false} />
      {target ? (
        <Link href={target} tabIndex={-1} scroll={false} className="nopan block h-full">
          {body}
        </Link>
      ) : (
        body
      )}
      <Handle
        type="source"
        position={Position.Right}
        className="!opacity-0"
        isConnectable={false}
      />
    </div>
  );
}
