'use client';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { toast } from 'sonner';
import { Bytes } from '@/components/bytes';
import { State } from '@/components/state';
import { blockHref } from '@/lib/explorer-links';
import { formatDuration, formatTime } from '@/lib/format';
import { shortHash } from '@/lib/hash';
import { useTRPC } from '@/lib/trpc';
import type { NodeRow } from '@/server/admin/nodes';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { type RowAction, RowMenu } from '../ui/row-menu';
import { type Column, SortedTable } from '../ui/sorted-table';

const KINDS = {
  ready: 'good',
  idle: 'open',
  loading: 'busy',
  draining: 'warn',
  failed: 'bad',
  silent: 'warn',
  gone: 'open',
  evicted: 'bad',
} as const;

const none = <span className="text-faint">–</span>;
const rate = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

const COLUMNS: Column<NodeRow>[] = [
  {
    id: 'node',
    header: 'Node',
    accessorFn: (node) => node.id,
    cell: ({ row: { original: node } }) => (
      <div>
        <div className="font-medium">{node.id}</div>
        <div className="text-[0.8125rem] text-faint">
          {node.keyName ?? 'no key'}
          {node.address && ` · ${node.address}`}
        </div>
      </div>
    ),
  },
  {
    id: 'state',
    header: 'State',
    accessorFn: (node) => node.state,
    cell: ({ row: { original: node } }) => (
      <div>
        <State kind={KINDS[node.state]}>{node.state}</State>
        {node.draining && node.state !== 'draining' && (
          <div className="text-[0.8125rem] text-faint">is to drain</div>
        )}
        {(node.mark ?? node.failure) && (
          <div
            className="max-w-56 truncate text-[0.8125rem] text-bad"
            title={node.mark ?? node.failure ?? ''}
          >
            {node.mark ?? node.failure}
          </div>
        )}
      </div>
    ),
  },
  {
    id: 'model',
    header: 'Model and layers',
    className: 'hidden md:table-cell',
    accessorFn: (node) => node.model?.name ?? node.model?.hash ?? '',
    cell: ({ row: { original: node } }) =>
      node.model ? (
        <div>
          <a href={blockHref('A', node.model.hash)} className="link">
            {node.model.name ?? shortHash(node.model.hash)}
          </a>
          <div className="text-[0.8125rem] text-faint">
            {node.layers ? `layers ${node.layers[0]} to ${node.layers[1]}` : 'no layers'}
            {node.provider && `, ${node.provider}`}
          </div>
        </div>
      ) : (
        none
      ),
  },
  {
    id: 'memory',
    header: 'Memory',
    className: 'hidden lg:table-cell',
    accessorFn: (node) => node.residentBytes ?? -1,
    cell: ({ row: { original: node } }) =>
      node.residentBytes === null && node.memoryBytes === null ? (
        none
      ) : (
        <div>
          {node.residentBytes === null ? none : <Bytes value={node.residentBytes} />}
          {node.memoryBytes !== null && (
            <div className="text-[0.8125rem] text-faint">
              of <Bytes value={node.memoryBytes} />
            </div>
          )}
        </div>
      ),
  },
  {
    id: 'rate',
    header: 'Tokens/s',
    accessorFn: (node) => node.tokensPerSecond ?? -1,
    cell: ({ row: { original: node } }) =>
      node.tokensPerSecond === null ? none : rate.format(node.tokensPerSecond),
  },
  {
    id: 'running',
    header: 'Running',
    accessorFn: (node) => node.running ?? -1,
    cell: ({ row: { original: node } }) =>
      node.running === null ? (
        none
      ) : (
        <span title={`${node.waiting ?? 0} waiting at the node`}>
          {node.running}
          {node.slots !== null && ` of ${node.slots}`}
          {Boolean(node.waiting) && ` + ${node.waiting}`}
        </span>
      ),
  },
  {
    id: 'version',
    header: 'Version',
    className: 'hidden lg:table-cell',
    accessorFn: (node) => node.version ?? '',
    cell: ({ row: { original: node } }) => node.version ?? none,
  },
  {
    id: 'seen',
    header: 'Heartbeat',
    accessorFn: (node) => -node.seenAt,
    cell: ({ row: { original: node } }) => <Age since={node.seenAt} />,
  },
];

/** Renders again with each answer of the server, so it needs no clock of its own. */
function Age({ since }: { since: number }) {
  return (
    <time dateTime={new Date(since).toISOString()} title={formatTime(since)}>
      {formatAge(Math.max(0, Date.now() - since))} ago
    </time>
  );
}

function formatAge(ms: number): string {
  if (ms < 3_600_000) return formatDuration(ms < 1000 ? ms : Math.round(ms / 1000) * 1000);
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

interface NodeTableProps {
  nodes: NodeRow[];
  sort: string;
  onSort: (sort: string) => void;
}

export function NodeTable({ nodes, sort, onSort }: NodeTableProps) {
  const [evicting, setEvicting] = useState<NodeRow | null>(null);
  const { actionsOf, evict } = useActions(setEvicting);
  const columns: Column<NodeRow>[] = [
    ...COLUMNS,
    {
      id: 'actions',
      header: () => <span className="sr-only">Actions</span>,
      enableSorting: false,
      cell: ({ row: { original: node } }) => (
        <RowMenu label={`Actions for ${node.id}`} actions={actionsOf(node)} />
      ),
    },
  ];
  return (
    <>
      <SortedTable
        label="Nodes"
        rows={nodes}
        rowId={(node) => node.id}
        columns={columns}
        sort={sort}
        onSort={onSort}
      />
      <Dialog
        title={`Evict ${evicting?.id}`}
        description="It is cut off at once, what it was answering moves on, and it may not register until an admin lifts this. To let it finish first, drain it."
        open={evicting !== null}
        onClose={() => setEvicting(null)}
      >
        <DialogButtons>
          <Button
            kind="danger"
            onClick={() => {
              if (evicting) evict(evicting);
              setEvicting(null);
            }}
          >
            Evict node
          </Button>
        </DialogButtons>
      </Dialog>
    </>
  );
}

function useActions(askToEvict: (node: NodeRow) => void) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const settle = {
    onError: (error: unknown) => void toast.error(failureOf(error).message),
    onSettled: () => queries.invalidateQueries({ queryKey: trpc.admin.nodes.list.queryKey() }),
  };
  const drain = useMutation(trpc.admin.nodes.drain.mutationOptions(settle));
  const evict = useMutation(trpc.admin.nodes.evict.mutationOptions(settle));
  const lift = useMutation(trpc.admin.nodes.lift.mutationOptions(settle));
  const said = (text: string) => ({ onSuccess: () => void toast.success(text) });
  const actionsOf = ({ id, ...node }: NodeRow): RowAction[] => [
    ...(node.draining || node.state === 'evicted'
      ? []
      : [{ name: 'Drain', run: () => drain.mutate({ id }, said(`${id} finishes its work`)) }]),
    ...(node.draining || node.mark !== null || node.state === 'evicted'
      ? [{ name: 'Lift', run: () => lift.mutate({ id }, said(`${id} may work again`)) }]
      : []),
    ...(node.state === 'evicted'
      ? []
      : [{ name: 'Evict…', danger: true, run: () => askToEvict({ id, ...node }) }]),
  ];
  return {
    actionsOf,
    evict: ({ id }: NodeRow) => evict.mutate({ id }, said(`${id} is cut off`)),
  };
}
