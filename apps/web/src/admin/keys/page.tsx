'use client';

import { useQuery } from '@tanstack/react-query';
import { Download, Plus } from 'lucide-react';
import { useMemo, useState } from 'react';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { downloadCsv, toCsv } from '../ui/csv';
import { Select } from '../ui/field';
import { Empty, PageHead, SearchField, TableSkeleton } from '../ui/page';
import { useUrlState } from '../ui/url-state';
import { CreateKey } from './create-key';
import { KeyTable } from './key-table';
import type { Key } from './types';

/** Last use changes by itself. */
const REFRESH_MS = 5000;
const STATES = [
  ['', 'Any state'],
  ['active', 'Active'],
  ['expired', 'Expired'],
  ['disabled', 'Disabled'],
  ['revoked', 'Revoked'],
] as const;

export function KeysPage() {
  const trpc = useTRPC();
  const keys = useQuery(
    trpc.admin.keys.list.queryOptions(undefined, { refetchInterval: REFRESH_MS }),
  );
  const [{ q, state, sort }, setUrl] = useUrlState(['q', 'state', 'sort']);
  const [creating, setCreating] = useState(false);
  const shown = useMemo(() => {
    const wanted = q.trim().toLowerCase();
    return (keys.data ?? []).filter(
      (key) => (state === '' || key.state === state) && (wanted === '' || has(key, wanted)),
    );
  }, [keys.data, q, state]);
  return (
    <>
      <PageHead
        title="Keys"
        actions={
          <>
            <Button onClick={() => downloadCsv('blyan-keys', csvOf(shown))} disabled={!keys.data}>
              <Download aria-hidden className="size-4" />
              CSV
            </Button>
            <Button kind="primary" onClick={() => setCreating(true)}>
              <Plus aria-hidden className="size-4" />
              New key
            </Button>
          </>
        }
      >
        With a key, an operator's worker registers at this main node. Only a hash of it is kept.
      </PageHead>
      <div className="mt-6 flex flex-wrap gap-2">
        <SearchField label="Search keys" value={q} onChange={(text) => setUrl({ q: text })} />
        <Select
          label="State"
          quiet
          options={STATES}
          value={state}
          onChange={(event) => setUrl({ state: event.target.value })}
        />
      </div>
      {keys.isError && (
        <div className="mt-4">
          <Problem title={failureOf(keys.error).message} />
        </div>
      )}
      {keys.isPending && <TableSkeleton />}
      {keys.data?.length === 0 && (
        <Empty>
          <p>
            There is no key yet. Make one here or by a command, and give its secret to the operator
            of the worker as BLYAN_API_KEY.
          </p>
          <Command>npm run admin -- keys create --name worker-1</Command>
        </Empty>
      )}
      {keys.data && keys.data.length > 0 && shown.length === 0 && (
        <Empty>
          <p>No key fits the filter.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <div className="mt-4">
          <KeyTable keys={shown} sort={sort} onSort={(next) => setUrl({ sort: next })} />
        </div>
      )}
      <CreateKey open={creating} onClose={() => setCreating(false)} />
    </>
  );
}

function has(key: Key, wanted: string): boolean {
  const texts = [key.name, key.prefix, key.id, key.lastAddress, key.lastNodeId, key.createdBy];
  return texts.some((text) => text?.toLowerCase().includes(wanted));
}

const COLUMNS = [
  'id',
  'name',
  'prefix',
  'state',
  'scopes',
  'max_nodes',
  'live_nodes',
  'addresses',
  'created_at',
  'created_by',
  'rotated_at',
  'expires_at',
  'disabled_at',
  'revoked_at',
  'last_used_at',
  'last_address',
  'last_node',
];

const csvOf = (keys: readonly Key[]) =>
  toCsv(
    COLUMNS,
    keys.map((key) => [
      key.id,
      key.name,
      key.prefix,
      key.state,
      key.scopes.join(' '),
      key.maxNodes,
      key.liveNodes,
      key.addresses.join(' '),
      key.createdAt,
      key.createdBy,
      key.rotatedAt,
      key.expiresAt,
      key.disabledAt,
      key.revokedAt,
      key.lastUsedAt,
      key.lastAddress,
      key.lastNodeId,
    ]),
  );
