'use client';

import { useQuery } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { Command } from '@/components/command';
import { useTRPC } from '@/lib/trpc';
import { Button } from '../ui/button';
import { type CsvColumns, ListPage } from '../ui/list-page';
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
  const [creating, setCreating] = useState(false);
  return (
    <>
      <ListPage
        title="Keys"
        intro="With a key, an operator's worker registers at this main node. Only a hash of it is kept."
        actions={
          <Button kind="primary" onClick={() => setCreating(true)}>
            <Plus aria-hidden className="size-4" />
            New key
          </Button>
        }
        noun="key"
        rows={keys.data}
        error={keys.error}
        states={STATES}
        isIn={isIn}
        texts={textsOf}
        csv={CSV}
        empty={
          <>
            <p>
              There is no key yet. Make one here or by a command, and give its secret to the
              operator of the worker as BLYAN_API_KEY.
            </p>
            <Command>npm run admin -- keys create --name worker-1</Command>
          </>
        }
        table={(rows, sort, onSort) => <KeyTable keys={rows} sort={sort} onSort={onSort} />}
      />
      <CreateKey open={creating} onClose={() => setCreating(false)} />
    </>
  );
}

const isIn = (key: Key, state: string) => key.state === state;
const textsOf = ({ name, prefix, id, lastAddress, lastNodeId, createdBy }: Key) => [
  name,
  prefix,
  id,
  lastAddress,
  lastNodeId,
  createdBy,
];

const CSV: CsvColumns<Key> = [
  ['id', (key) => key.id],
  ['name', (key) => key.name],
  ['prefix', (key) => key.prefix],
  ['state', (key) => key.state],
  ['scopes', (key) => key.scopes.join(' ')],
  ['max_nodes', (key) => key.maxNodes],
  ['live_nodes', (key) => key.liveNodes],
  ['addresses', (key) => key.addresses.join(' ')],
  ['created_at', (key) => key.createdAt],
  ['created_by', (key) => key.createdBy],
  ['rotated_at', (key) => key.rotatedAt],
  ['expires_at', (key) => key.expiresAt],
  ['disabled_at', (key) => key.disabledAt],
  ['revoked_at', (key) => key.revokedAt],
  ['last_used_at', (key) => key.lastUsedAt],
  ['last_address', (key) => key.lastAddress],
  ['last_node', (key) => key.lastNodeId],
];
