'use client';

import { flexRender, type Header, type Row, type Table } from '@tanstack/react-table';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { Fragment, useState } from 'react';
import { ScrollArea } from '@/components/scroll-area';
import { formatCount } from '@/lib/format';
import { isRight } from './layer-columns';
import type { LayerRow } from './layer-rows';

/** Rows that are drawn at first: a model of a thousand layers would take a second on a phone. */
const ROWS = 100;

/** @param whole every row at once: they came page by page, as they were asked for */
export function LayerTable({ table, whole }: { table: Table<LayerRow>; whole: boolean }) {
  const [few, setShown] = useState(ROWS);
  const { rows } = table.getRowModel();
  const shown = whole ? rows.length : few;
  return (
    <>
      <Rows table={table} rows={rows.slice(0, shown)} />
      {rows.length > shown && (
        <p className="mt-2 flex flex-wrap gap-x-4 text-sm text-faint">
          {formatCount(shown)} of {formatCount(rows.length)} lines.
          <button type="button" className="link" onClick={() => setShown(shown + ROWS)}>
            Show {formatCount(Math.min(ROWS, rows.length - shown))} more
          </button>
          <button type="button" className="link" onClick={() => setShown(rows.length)}>
            Show all
          </button>
        </p>
      )}
    </>
  );
}

function Rows({ table, rows }: { table: Table<LayerRow>; rows: Row<LayerRow>[] }) {
  return (
    <ScrollArea label="Layers and tensors">
      <table className="data-table">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => (
                <HeadCell key={header.id} header={header} />
              ))}
            </tr>
          ))}
        </thead>
        <tbody>
          {rows.map((row) => (
            <Fragment key={row.id}>
              <Line row={row} />
              {row.getIsExpanded() && row.original.state !== 'here' && (
                <tr>
                  <td colSpan={table.getAllColumns().length} className="text-faint">
                    {row.original.state === 'loading'
                      ? 'Reading its tensors.'
                      : 'Its tensors could not be read. Close it and open it again.'}
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}

function HeadCell({ header }: { header: Header<LayerRow, unknown> }) {
  const { column } = header;
  const sorted = column.getIsSorted();
  const label = flexRender(column.columnDef.header, header.getContext());
  const right = isRight(column.columnDef.meta);
  return (
    <th
      scope="col"
      className={right ? '!text-right' : ''}
      aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}
    >
      {column.getCanSort() ? (
        <button
          type="button"
          onClick={column.getToggleSortingHandler()}
          className="inline-flex items-center gap-1 hover:text-ink"
        >
          {label}
          {sorted === 'asc' && <ArrowUp aria-hidden className="size-3.5" />}
          {sorted === 'desc' && <ArrowDown aria-hidden className="size-3.5" />}
        </button>
      ) : (
        label
      )}
    </th>
  );
}

function Line({ row }: { row: Row<LayerRow> }) {
  return (
    <tr className="hover:bg-sunken/60">
      {row.getVisibleCells().map((cell) => (
        <td
          key={cell.id}
          className={isRight(cell.column.columnDef.meta) ? 'text-right text-soft' : undefined}
        >
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </td>
      ))}
    </tr>
  );
}
