'use client';

import type { ModelDetails } from '@blyan/protocol/explorer';
import {
  type ExpandedState,
  getCoreRowModel,
  getExpandedRowModel,
  getSortedRowModel,
  type SortingState,
  useReactTable,
} from '@tanstack/react-table';
import { useSearchParams } from 'next/navigation';
import { useState } from 'react';
import { Empty, SkeletonRows } from '@/components/empty';
import { formatCount } from '@/lib/format';
import { setQuery } from '@/lib/query';
import { failureText } from '@/lib/rest';
import { COLUMNS } from './layer-columns';
import { type LayerRow, SORTS, tensorQuery, useGroups, useMatches, useTree } from './layer-rows';
import { LayerTable } from './layer-table';

interface LayerTreeProps {
  hash: string;
  /** Layers that came with the page. */
  first: ModelDetails['groups'];
  /** How many there are. */
  count: number;
  /** Of all tensors. */
  formats: string[];
}

/** Layers that open to their tensors; a filter lists tensors. What is shown is in the address. */
export function LayerTree({ hash, first, count, formats }: LayerTreeProps) {
  const query = useSearchParams();
  const [q, format] = [(query.get('q') ?? '').trim(), query.get('format') ?? ''];
  const [expanded, setExpanded] = useState<ExpandedState>({});
  const groups = useGroups(hash, first, count);
  const open = expanded === true ? groups.map(({ group }) => group) : Object.keys(expanded);
  const filtered = q !== '' || format !== '';
  const tree = useTree(hash, groups, filtered ? [] : open);
  const sorting = sortingOf(query.get('sort'));
  const filter = { q, format, sort: sorting[0] };
  const matches = useMatches(hash, filter);
  const rows = filtered ? matches.rows : tree;
  const csv = tensorQuery(filter);
  csv.set('format', 'csv');
  const table = useReactTable<LayerRow>({
    data: rows ?? NONE,
    columns: COLUMNS,
    state: { expanded, sorting },
    getRowId: (row) => row.id,
    getSubRows: (row) => row.children,
    getRowCanExpand: ({ original }) => original.group !== null,
    onExpandedChange: setExpanded,
    onSortingChange: (update) => {
      const next = typeof update === 'function' ? update(sorting) : update;
      setQuery('sort', next.map(({ id, desc }) => `${desc ? '-' : ''}${id}`).join());
    },
    // Rows come while it is open: nothing is to be closed because of that.
    autoResetAll: false,
    // The model's own order is the first one, and comes back after two clicks.
    enableSortingRemoval: true,
    enableMultiSort: false,
    // Matches come sorted from the server: here are only the first of them.
    manualSorting: filtered,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getExpandedRowModel: getExpandedRowModel(),
  });
  return (
    <>
      <div className="mb-2 flex flex-wrap items-center gap-3 text-sm">
        <label className="flex min-w-0 flex-1 items-center gap-2 sm:max-w-sm">
          <span className="sr-only">Filter tensors by name</span>
          <input
            type="search"
            defaultValue={q}
            onChange={(event) => setQuery('q', event.target.value)}
            placeholder="Filter tensors, e.g. q_proj"
            className={FIELD}
          />
        </label>
        <label className="flex items-center gap-2 text-faint">
          Format
          <select
            value={format}
            onChange={(event) => setQuery('format', event.target.value)}
            className={FIELD}
          >
            <option value="">all</option>
            {formats.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        {!filtered && count <= MAX_OPEN && (
          <button
            type="button"
            className="link"
            onClick={() => setExpanded(open.length > 0 ? {} : true)}
          >
            {open.length > 0 ? 'Close all layers' : 'Open all layers'}
          </button>
        )}
        <a className="link ml-auto" href={`/models/${hash}/tensors?${csv}`} download>
          CSV
        </a>
      </div>
      {filtered && matches.isError ? (
        <p role="alert" className="text-sm text-bad">
          {failureText(matches.error)}
        </p>
      ) : rows === undefined ? (
        <SkeletonRows />
      ) : rows.length === 0 ? (
        <Empty>
          {filtered
            ? 'No tensor of this model matches the filter.'
            : 'This model names no layer blocks.'}
        </Empty>
      ) : (
        <LayerTable table={table} whole={filtered} />
      )}
      {filtered && matches.hasNextPage && (
        <p className="mt-2 flex flex-wrap gap-x-4 text-sm text-faint">
          The first {formatCount(rows?.length ?? 0)} are listed.
          <button
            type="button"
            className="link"
            // Those of the filter before stay until the new ones are here: they are not read on.
            disabled={matches.isFetchingNextPage || matches.isPlaceholderData}
            onClick={() => void matches.fetchNextPage()}
          >
            {matches.isFetchingNextPage ? 'Reading more' : 'Read more'}
          </button>
        </p>
      )}
    </>
  );
}

const NONE: LayerRow[] = [];
/** Layers that one click opens: each is a request. */
const MAX_OPEN = 100;
const FIELD =
  'min-w-0 rounded-md border border-line-strong bg-surface px-2.5 py-1.5 text-ink w-full';

/** Of `bytes`, or `-bytes` downwards. */
function sortingOf(text: string | null): SortingState {
  const [, minus, id = ''] = /^(-?)(.*)$/.exec(text ?? '') ?? [];
  return id in SORTS ? [{ id, desc: minus === '-' }] : [];
}
