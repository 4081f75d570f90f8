'use client';

import { Download } from 'lucide-react';
import { type ReactNode, useMemo } from 'react';
import { Problem } from '@/components/problem';
import { failureOf } from '../failure';
import { Button } from './button';
import { type Cell, downloadCsv, toCsv } from './csv';
import { Select } from './field';
import { Empty, PageHead, SearchField, TableSkeleton } from './page';
import { useUrlState } from './url-state';

/** Name and value of each column. */
export type CsvColumns<Row> = readonly (readonly [name: string, of: (row: Row) => Cell])[];

interface ListPageProps<Row> {
  title: string;
  intro: ReactNode;
  /** Buttons beside that of the CSV. */
  actions?: ReactNode;
  /** One of the rows, e.g. `key`. */
  noun: string;
  rows: readonly Row[] | undefined;
  error: unknown;
  states: readonly (readonly [value: string, text: string])[];
  isIn: (row: Row, state: string) => boolean;
  /** What the search looks through. */
  texts: (row: Row) => (string | null | undefined)[];
  csv: CsvColumns<Row>;
  /** Shown above the rows. */
  notice?: ReactNode;
  /** Shown while there is no row at all. */
  empty: ReactNode;
  table: (rows: Row[], sort: string, onSort: (sort: string) => void) => ReactNode;
}

/** A list that is searched, filtered by state and sorted in its address, and saved as CSV. */
export function ListPage<Row>(props: ListPageProps<Row>) {
  const { title, noun, rows, error, states, isIn, texts, csv, table } = props;
  const [{ q, state, sort }, setUrl] = useUrlState(['q', 'state', 'sort']);
  const shown = useMemo(() => {
    const wanted = q.trim().toLowerCase();
    const has = (row: Row) => texts(row).some((text) => text?.toLowerCase().includes(wanted));
    return (rows ?? []).filter(
      (row) => (state === '' || isIn(row, state)) && (wanted === '' || has(row)),
    );
  }, [rows, q, state, isIn, texts]);
  const save = () => {
    const header = csv.map(([name]) => name);
    const lines = shown.map((row) => csv.map(([, of]) => of(row)));
    downloadCsv(`blyan-${noun}s`, toCsv(header, lines));
  };
  return (
    <>
      <PageHead
        title={title}
        actions={
          <>
            <Button onClick={save} disabled={!rows}>
              <Download aria-hidden className="size-4" />
              CSV
            </Button>
            {props.actions}
          </>
        }
      >
        {props.intro}
      </PageHead>
      <div className="mt-6 flex flex-wrap gap-2">
        <SearchField label={`Search ${noun}s`} value={q} onChange={(text) => setUrl({ q: text })} />
        <Select
          label="State"
          quiet
          options={states}
          value={state}
          onChange={(event) => setUrl({ state: event.target.value })}
        />
      </div>
      {error !== null && (
        <div className="mt-4">
          <Problem title={failureOf(error).message} />
        </div>
      )}
      {props.notice && <div className="mt-4">{props.notice}</div>}
      {!rows && error === null && <TableSkeleton />}
      {rows?.length === 0 && <Empty>{props.empty}</Empty>}
      {rows && rows.length > 0 && shown.length === 0 && (
        <Empty>
          <p>No {noun} fits the filter.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <div className="mt-4">{table(shown, sort, (next) => setUrl({ sort: next }))}</div>
      )}
    </>
  );
}
