'use client';

import {
  type Cell,
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type RowData,
  type SortingState,
  useReactTable,
} from '@tanstack/react-table';
import { ArrowDown, ArrowUp, ChevronsUpDown } from 'lucide-react';

export type Column<T extends RowData> = ColumnDef<T> & {
  /** Of the cells: where the column is left out, and how it is aligned. */
  className?: string;
};

interface SortedTableProps<T extends RowData> {
  label: string;
  rows: T[];
  rowId: (row: T) => string;
  columns: Column<T>[];
  /** `name` or `-name`: column and, with the minus, from the largest. */
  sort: string;
  onSort: (sort: string) => void;
}

const toState = (sort: string): SortingState =>
  sort === '' ? [] : [{ id: sort.replace(/^-/, ''), desc: sort.startsWith('-') }];

const ORDER = { asc: 'ascending', desc: 'descending' } as const;

/**
 * Called, and not taken for a component: pages make their columns anew at each render, so it would be another
 * component each time, and what is open in it, as a menu, would close when the list is read again.
 */
function contentOf<T extends RowData>(cell: Cell<T, unknown>) {
  const { cell: content } = cell.column.columnDef;
  return typeof content === 'function' ? content(cell.getContext()) : content;
}

export function SortedTable<T extends RowData>(props: SortedTableProps<T>) {
  const { label, rows, rowId, columns, sort, onSort } = props;
  const sorting = toState(sort);
  const table = useReactTable({
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    // Rows are made anew at each render: a reset at each of them would never end.
    autoResetAll: false,
    columns,
    data: rows,
    getRowId: rowId,
    state: { sorting },
    onSortingChange: (update) => {
      const [first] = typeof update === 'function' ? update(sorting) : update;
      onSort(first ? `${first.desc ? '-' : ''}${first.id}` : '');
    },
  });
  const classOf = (column: { columnDef: unknown }) =>
    (column.columnDef as Column<T>).className ?? '';
  return (
    <div className="relative overflow-x-auto">
      <table className="data-table" aria-label={label}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                const Icon =
                  sorted === 'asc' ? ArrowUp : sorted === 'desc' ? ArrowDown : ChevronsUpDown;
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={classOf(header.column)}
                    aria-sort={sorted ? ORDER[sorted] : undefined}
                  >
                    {header.column.getCanSort() ? (
                      <button
                        type="button"
                        onClick={header.column.getToggleSortingHandler()}
                        className="inline-flex items-center gap-1 hover:text-ink"
                      >
                        {flexRender(header.column.columnDef.header, header.getContext())}
                        <Icon aria-hidden className={`size-3 ${sorted ? '' : 'opacity-40'}`} />
                      </button>
                    ) : (
                      flexRender(header.column.columnDef.header, header.getContext())
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} className="hover:bg-sunken/60">
              {row.getAllCells().map((cell) => (
                <td key={cell.id} className={classOf(cell.column)}>
                  {contentOf(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
