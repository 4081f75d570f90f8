'use client';

import { useQuery } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useMemo } from 'react';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import type { NodeRow } from '@/server/admin/nodes';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { downloadCsv, toCsv } from '../ui/csv';
import { Select } from '../ui/field';
import { Empty, PageHead, SearchField, TableSkeleton } from '../ui/page';
import { useUrlState } from '../ui/url-state';
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
  const [{ q, state, sort }, setUrl] = useUrlState(['q', 'state', 'sort']);
  const nodes = list.data?.nodes;
  const shown = useMemo(() => {
    const wanted = q.trim().toLowerCase();
    return (nodes ?? []).filter(
      (node) =>
        (state === '' ||
          (state === 'live' ? !NOT_LIVE.includes(node.state) : node.state === state)) &&
        (wanted === '' || has(node, wanted)),
    );
  }, [nodes, q, state]);
  return (
    <>
      <PageHead
        title="Nodes"
        actions={
          <Button onClick={() => downloadCsv('blyan-nodes', csvOf(shown))} disabled={!nodes}>
            <Download aria-hidden className="size-4" />
            CSV
          </Button>
        }
      >
        Every worker that has registered, and what the live ones do now.
        {list.data && list.data.waiting > 0 && ` ${list.data.waiting} requests wait for a worker.`}
      </PageHead>
      <div className="mt-6 flex flex-wrap gap-2">
        <SearchField label="Search nodes" value={q} onChange={(text) => setUrl({ q: text })} />
        <Select
          label="State"
          quiet
          options={STATES}
          value={state}
          onChange={(event) => setUrl({ state: event.target.value })}
        />
      </div>
      {list.isError && (
        <div className="mt-4">
          <Problem title={failureOf(list.error).message} />
        </div>
      )}
      {list.data && list.data.at === null && (
        <div className="mt-4">
          <Problem title="The coordinator is not running, so nobody knows which nodes are live.">
            <Command>npm start</Command>
          </Problem>
        </div>
      )}
      {list.isPending && <TableSkeleton />}
      {nodes?.length === 0 && (
        <Empty>
          <p>No worker has ever registered. With a key, on the worker's machine:</p>
          <Command>npm run worker -- --main URL</Command>
        </Empty>
      )}
      {nodes && nodes.length > 0 && shown.length === 0 && (
        <Empty>
          <p>No node fits the filter.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <div className="mt-4">
          <NodeTable nodes={shown} sort={sort} onSort={(next) => setUrl({ sort: next })} />
        </div>
      )}
    </>
  );
}

function has(node: NodeRow, wanted: string): boolean {
  const texts = [node.id, node.keyName, node.host, node.address, node.version, node.model?.name];
  return texts.some((text) => text?.toLowerCase().includes(wanted));
}

const COLUMNS = [
  'id',
  'state',
  'key',
  'model',
  'first_layer',
  'last_layer',
  'memory_bytes',
  'resident_bytes',
  'tokens_per_second',
  'running',
  'waiting',
  'version',
  'host',
  'address',
  'seen_at',
  'registered_at',
  'draining',
  'mark',
];

const csvOf = (nodes: readonly NodeRow[]) =>
  toCsv(
    COLUMNS,
    nodes.map((node) => [
      node.id,
      node.state,
      node.keyName,
      node.model?.name ?? node.model?.hash,
      node.layers?.[0],
      node.layers?.[1],
      node.memoryBytes,
      node.residentBytes,
      node.tokensPerSecond,
      node.running,
      node.waiting,
      node.version,
      node.host,
      node.address,
      new Date(node.seenAt),
      new Date(node.registeredAt),
      node.draining,
      node.mark,
    ]),
  );
