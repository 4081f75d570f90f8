'use client';

import { useQuery } from '@tanstack/react-query';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import type { NodeRow } from '@/server/admin/nodes';
import { type CsvColumns, ListPage } from '../ui/list-page';
import { NodeTable } from './node-table';

/** The coordinator writes its view every second. */
const REFRESH_MS = 1000;
const STATES = [
  ['', 'Any state'],
  ['live', 'Live'],
  ['ready', 'Ready'],
  ['loading', 'Loading'],
  ['draining', 'Draining'],
  ['failed', 'Failed'],
  ['silent', 'Silent'],
  ['gone', 'Gone'],
  ['evicted', 'Evicted'],
] as const;
const NOT_LIVE: readonly string[] = ['silent', 'gone', 'evicted'];

export function NodesPage() {
  const trpc = useTRPC();
  const list = useQuery(
    trpc.admin.nodes.list.queryOptions(undefined, { refetchInterval: REFRESH_MS }),
  );
  const { nodes, at, waiting = 0 } = list.data ?? {};
  return (
    <ListPage
      title="Nodes"
      intro={
        <>
          Every worker that has registered, and what the live ones do now.
          {waiting > 0 &&
            ` ${waiting} ${waiting === 1 ? 'request waits' : 'requests wait'} for a worker.`}
        </>
      }
      noun="node"
      rows={nodes}
      error={list.error}
      states={STATES}
      isIn={isIn}
      texts={textsOf}
      csv={CSV}
      notice={
        at === null && (
          <Problem title="The coordinator is not running, so nobody knows which nodes are live.">
            <Command>npm start</Command>
          </Problem>
        )
      }
      empty={
        <>
          <p>No worker has ever registered. With a key, on the worker's machine:</p>
          <Command>npm run worker -- --main URL</Command>
        </>
      }
      table={(rows, sort, onSort) => <NodeTable nodes={rows} sort={sort} onSort={onSort} />}
    />
  );
}

const isIn = (node: NodeRow, state: string) =>
  state === 'live' ? !NOT_LIVE.includes(node.state) : node.state === state;
const textsOf = ({ id, keyName, host, address, version, model }: NodeRow) => [
  id,
  keyName,
  host,
  address,
  version,
  model?.name,
];

const CSV: CsvColumns<NodeRow> = [
  ['id', (node) => node.id],
  ['state', (node) => node.state],
  ['key', (node) => node.keyName],
  ['model', (node) => node.model?.name ?? node.model?.hash],
  ['first_layer', (node) => node.layers?.[0]],
  ['last_layer', (node) => node.layers?.[1]],
  ['memory_bytes', (node) => node.memoryBytes],
  ['resident_bytes', (node) => node.residentBytes],
  ['tokens_per_second', (node) => node.tokensPerSecond],
  ['running', (node) => node.running],
  ['waiting', (node) => node.waiting],
  ['version', (node) => node.version],
  ['host', (node) => node.host],
  ['address', (node) => node.address],
  ['seen_at', (node) => new Date(node.seenAt)],
  ['registered_at', (node) => new Date(node.registeredAt)],
  ['draining', (node) => node.draining],
  ['mark', (node) => node.mark],
];
