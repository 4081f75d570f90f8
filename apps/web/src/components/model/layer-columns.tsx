'use client';

import { createColumnHelper } from '@tanstack/react-table';
import { ChevronDown, ChevronRight } from 'lucide-react';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { blockHref, tensorHref } from '@/lib/explorer-links';
import { formatCount } from '@/lib/format';
import type { LayerRow } from './layer-rows';

const column = createColumnHelper<LayerRow>();

/** `layer.10` comes behind `layer.9`. */
const natural = new Intl.Collator('en', { numeric: true });

export const COLUMNS = [
  column.accessor('name', {
    header: 'Name',
    sortingFn: (a, b) => natural.compare(a.original.name, b.original.name),
    cell: ({ row }) => {
      const { tensor, name } = row.original;
      if (tensor) {
        return (
          <Link
            href={tensorHref(tensor.root)}
            className={`link font-mono text-[0.8125rem] ${row.depth > 0 ? 'ml-6' : ''}`}
          >
            {name}
          </Link>
        );
      }
      const Icon = row.getIsExpanded() ? ChevronDown : ChevronRight;
      return (
        <button
          type="button"
          className="inline-flex items-center gap-1.5 hover:underline"
          aria-expanded={row.getIsExpanded()}
          onClick={row.getToggleExpandedHandler()}
        >
          <Icon aria-hidden className="size-4 text-faint" />
          {name}
        </button>
      );
    },
  }),
  column.accessor('shape', { header: 'Shape', enableSorting: false }),
  // There is a filter for it, and the server does not sort by it.
  column.accessor('formats', { header: 'Format', enableSorting: false }),
  column.accessor('parameters', {
    header: 'Weights',
    cell: (info) => formatCount(info.getValue()),
    meta: { right: true },
  }),
  column.accessor('bytes', {
    header: 'Size',
    cell: (info) => <Bytes value={info.getValue()} />,
    meta: { right: true },
  }),
  column.display({
    id: 'hash',
    header: 'Block or root',
    cell: ({ row: { original } }) =>
      original.tensor ? (
        <Hash value={original.tensor.root} label={`root of ${original.name}`} />
      ) : original.group ? (
        <Hash
          value={original.group.block}
          href={blockHref('B', original.group.block)}
          label={`block of ${original.name}`}
        />
      ) : null,
  }),
];

export const isRight = (meta: unknown): boolean =>
  typeof meta === 'object' && meta !== null && 'right' in meta;
