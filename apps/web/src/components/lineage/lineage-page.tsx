import Link from 'next/link';
import { Section } from '@/components/explorer/section';
import { State } from '@/components/state';
import { KINDS, type LineageGraph, type LineageNode } from './graph';
import { LineageFlow } from './lineage-flow';

export function LineagePage({ graph }: { graph: LineageGraph }) {
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight">Lineage</h1>
      <p className="mt-1 mb-6 max-w-prose text-soft">
        From an answer down to the bytes of the checkpoint. Choose a layer or a tensor to see what
        is below it; what is chosen already opens its own page.
      </p>
      <LineageFlow graph={graph} />
      <Section title="The same as a list">
        <ol className="space-y-4 text-sm">
          {KINDS.map((kind) => {
            const nodes = graph.nodes.filter((node) => node.kind === kind);
            return nodes.length === 0 ? null : <Level key={kind} kind={kind} nodes={nodes} />;
          })}
        </ol>
      </Section>
    </>
  );
}

function Level({ kind, nodes }: { kind: string; nodes: LineageNode[] }) {
  return (
    <li>
      <h3 className="text-faint">{kind}</h3>
      <ul>
        {nodes.map((node) => (
          <li key={node.id} className="flex flex-wrap items-center gap-x-3 py-0.5">
            {node.href && !node.chosen ? (
              <Link href={node.href} scroll={false} className="link">
                {node.title}
              </Link>
            ) : (
              <span className="font-medium">{node.title}</span>
            )}
            <span className="text-soft">{node.detail}</span>
            {node.chosen && <State kind="good">chosen</State>}
            {node.page && (
              <Link href={node.page} className="link">
                Open<span className="sr-only"> {node.title}</span>
              </Link>
            )}
          </li>
        ))}
      </ul>
    </li>
  );
}
