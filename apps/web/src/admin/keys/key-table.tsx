'use client';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { toast } from 'sonner';
import { RelativeTime } from '@/components/relative-time';
import { State } from '@/components/state';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { type RowAction, RowMenu } from '../ui/row-menu';
import { type Column, SortedTable } from '../ui/sorted-table';
import { EditKey } from './edit-key';
import { RevokeKey } from './revoke-key';
import { RotateKey } from './rotate-key';
import type { Key } from './types';

const STATES = {
  active: { kind: 'good', word: 'active' },
  expired: { kind: 'warn', word: 'expired' },
  disabled: { kind: 'warn', word: 'disabled' },
  revoked: { kind: 'bad', word: 'revoked' },
} as const;

interface KeyTableProps {
  keys: Key[];
  sort: string;
  onSort: (sort: string) => void;
}

export function KeyTable({ keys, sort, onSort }: KeyTableProps) {
  const [editing, setEditing] = useState<Key | null>(null);
  const [rotating, setRotating] = useState<Key | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const actionsOf = useActions({ edit: setEditing, rotate: setRotating, revoke: setRevoking });
  const columns: Column<Key>[] = [
    {
      id: 'name',
      header: 'Name',
      accessorFn: (key) => key.name,
      cell: ({ row: { original: key } }) => (
        <div>
          <div className="font-medium">{key.name}</div>
          <code className="font-mono text-[0.8125rem] text-faint">{key.prefix}…</code>
        </div>
      ),
    },
    {
      id: 'state',
      header: 'State',
      accessorFn: (key) => key.state,
      cell: ({ row: { original: key } }) => (
        <div>
          <State kind={STATES[key.state].kind}>{STATES[key.state].word}</State>
          <Grace of={key} />
        </div>
      ),
    },
    {
      id: 'nodes',
      header: 'Nodes',
      accessorFn: (key) => key.liveNodes,
      cell: ({ row: { original: key } }) => (
        <span title={key.scopes.join(', ')}>
          {key.liveNodes} of {key.maxNodes}
        </span>
      ),
    },
    {
      id: 'from',
      header: 'From',
      enableSorting: false,
      className: 'hidden lg:table-cell',
      accessorFn: (key) => key.addresses.join(', '),
      cell: ({ row: { original: key } }) =>
        key.addresses.length === 0 ? (
          <span className="text-faint">anywhere</span>
        ) : (
          <span title={key.addresses.join(', ')}>
            {key.addresses[0]}
            {key.addresses.length > 1 && ` and ${key.addresses.length - 1} more`}
          </span>
        ),
    },
    {
      id: 'expires',
      header: 'Expires',
      className: 'hidden md:table-cell',
      accessorFn: (key) => key.expiresAt?.getTime() ?? Number.MAX_SAFE_INTEGER,
      cell: ({ row: { original: key } }) =>
        key.expiresAt ? (
          <RelativeTime time={key.expiresAt.getTime()} />
        ) : (
          <span className="text-faint">never</span>
        ),
    },
    {
      id: 'used',
      header: 'Last used',
      accessorFn: (key) => key.lastUsedAt?.getTime() ?? 0,
      cell: ({ row: { original: key } }) =>
        key.lastUsedAt ? (
          <div>
            <RelativeTime time={key.lastUsedAt.getTime()} />
            <div className="text-[0.8125rem] text-faint">
              {key.lastNodeId} from {key.lastAddress}
            </div>
          </div>
        ) : (
          <span className="text-faint">never</span>
        ),
    },
    {
      id: 'created',
      header: 'Created',
      className: 'hidden lg:table-cell',
      accessorFn: (key) => key.createdAt.getTime(),
      cell: ({ row: { original: key } }) => (
        <div>
          <RelativeTime time={key.createdAt.getTime()} />
          <div className="text-[0.8125rem] text-faint">by {key.createdBy}</div>
        </div>
      ),
    },
    {
      id: 'actions',
      header: () => <span className="sr-only">Actions</span>,
      enableSorting: false,
      cell: ({ row: { original: key } }) => (
        <RowMenu label={`Actions for ${key.name}`} actions={actionsOf(key)} />
      ),
    },
  ];
  return (
    <>
      <SortedTable
        label="Keys"
        rows={keys}
        rowId={(key) => key.id}
        columns={columns}
        sort={sort}
        onSort={onSort}
      />
      <EditKey target={editing} onClose={() => setEditing(null)} />
      <RotateKey target={rotating} onClose={() => setRotating(null)} />
      <RevokeKey target={revoking} onClose={() => setRevoking(null)} />
    </>
  );
}

function Grace({ of: { previousUntil, revokedAt } }: { of: Key }) {
  if (!previousUntil || revokedAt || previousUntil.getTime() < Date.now()) return null;
  return (
    <div className="text-[0.8125rem] text-faint">
      old secret ends <RelativeTime time={previousUntil.getTime()} />
    </div>
  );
}

function useActions(open: Record<'edit' | 'rotate' | 'revoke', (key: Key) => void>) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const settle = {
    onError: (error: unknown) => void toast.error(failureOf(error).message),
    onSettled: () => queries.invalidateQueries({ queryKey: trpc.admin.keys.list.queryKey() }),
  };
  const disable = useMutation(trpc.admin.keys.disable.mutationOptions(settle));
  const enable = useMutation(trpc.admin.keys.enable.mutationOptions(settle));
  return (key: Key): RowAction[] => {
    if (key.state === 'revoked') return [];
    const said = (what: string) => ({ onSuccess: () => void toast.success(`${key.name} ${what}`) });
    return [
      { name: 'Edit…', run: () => open.edit(key) },
      ...(key.builtIn ? [] : [{ name: 'Rotate…', run: () => open.rotate(key) }]),
      key.disabledAt
        ? { name: 'Enable', run: () => enable.mutate({ id: key.id }, said('is enabled')) }
        : { name: 'Disable', run: () => disable.mutate({ id: key.id }, said('is disabled')) },
      { name: 'Revoke…', danger: true, run: () => open.revoke(key) },
    ];
  };
}
