'use client';

import { useInfiniteQuery } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { toast } from 'sonner';
import { Problem } from '@/components/problem';
import { useTRPC, useTRPCClient } from '@/lib/trpc';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { downloadCsv, toCsv } from '../ui/csv';
import { Select } from '../ui/field';
import { Empty, PageHead, SearchField, TableSkeleton } from '../ui/page';
import { useUrlState } from '../ui/url-state';
import { AuditTable } from './audit-table';
import type { Entry } from './types';

const PAGE = 50;
const CSV_PAGE = 200;
/** A spreadsheet with more is of no use; narrow the filter. */
const CSV_MAX = 20_000;
const ACTIONS = [
  ['', 'Any action'],
  ['key', 'Keys'],
  ['node', 'Nodes'],
  ['admin', 'Admins'],
] as const;
const ACTORS = [
  ['', 'Anybody'],
  ['admin', 'Admins'],
  ['node', 'Nodes'],
  ['command', 'Commands'],
  ['system', 'The system'],
] as const;
type Actor = Exclude<(typeof ACTORS)[number][0], ''>;

export function AuditPage() {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const [{ q, action, actor }, setUrl] = useUrlState(['q', 'action', 'actor']);
  const search = useDeferredValue(q.trim());
  const filter = {
    ...(search && { search }),
    ...(action && { action }),
    ...(actor && { actor: actor as Actor }),
  };
  const list = useInfiniteQuery(
    trpc.admin.audit.list.infiniteQueryOptions(
      { ...filter, limit: PAGE },
      { getNextPageParam: (page) => page.next ?? undefined },
    ),
  );
  const entries = list.data?.pages.flatMap((page) => page.entries) ?? [];
  const [exporting, setExporting] = useState(false);

  async function exportAll() {
    setExporting(true);
    try {
      const all: Entry[] = [];
      let before: bigint | undefined;
      do {
        const page = await client.admin.audit.list.query({
          ...filter,
          limit: CSV_PAGE,
          ...(before === undefined ? {} : { cursor: before }),
        });
        all.push(...page.entries);
        before = page.next ?? undefined;
      } while (before !== undefined && all.length < CSV_MAX);
      downloadCsv('blyan-audit', csvOf(all));
      if (before !== undefined)
        toast.warning(`Only the newest ${CSV_MAX} entries are in the file.`);
    } catch (error) {
      toast.error(failureOf(error).message);
    }
    setExporting(false);
  }

  return (
    <>
      <PageHead
        title="Audit log"
        actions={
          <Button onClick={exportAll} disabled={exporting}>
            <Download aria-hidden className="size-4" />
            CSV
          </Button>
        }
      >
        Who did what, when and from where. The database refuses to change or delete an entry.
      </PageHead>
      <div className="mt-6 flex flex-wrap gap-2">
        <SearchField label="Search the log" value={q} onChange={(text) => setUrl({ q: text })} />
        <Select
          label="Action"
          quiet
          options={ACTIONS}
          value={action}
          onChange={(event) => setUrl({ action: event.target.value })}
        />
        <Select
          label="Who"
          quiet
          options={ACTORS}
          value={actor}
          onChange={(event) => setUrl({ actor: event.target.value })}
        />
      </div>
      {list.isError && (
        <div className="mt-4">
          <Problem title={failureOf(list.error).message} />
        </div>
      )}
      {list.isPending && <TableSkeleton />}
      {list.isSuccess && entries.length === 0 && (
        <Empty>
          <p>No entry fits the filter.</p>
        </Empty>
      )}
      {entries.length > 0 && <AuditTable entries={entries} />}
      {list.hasNextPage && (
        <div className="mt-4">
          <Button onClick={() => list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            Older entries
          </Button>
        </div>
      )}
    </>
  );
}

const csvOf = (entries: readonly Entry[]) =>
  toCsv(
    ['id', 'at', 'actor', 'actor_id', 'address', 'action', 'subject', 'before', 'after'],
    entries.map((entry) => [
      String(entry.id),
      entry.at,
      entry.actor,
      entry.actorId,
      entry.address,
      entry.action,
      entry.subject,
      entry.before === null ? null : JSON.stringify(entry.before),
      entry.after === null ? null : JSON.stringify(entry.after),
    ]),
  );
