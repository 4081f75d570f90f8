'use client';

import type {
  ModelDetails,
  ModelSummary,
  TensorDifference,
  TensorSummary,
} from '@blyan/protocol/explorer';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import Link from 'next/link';
import { useSearchParams } from 'next/navigation';
import { Bytes } from '@/components/bytes';
import { Empty, SkeletonRows } from '@/components/empty';
import { Hash } from '@/components/hash';
import { ScrollArea } from '@/components/scroll-area';
import { modelHref, tensorHref } from '@/lib/explorer-links';
import { plural } from '@/lib/format';
import { setQuery } from '@/lib/query';
import { FOREVER, failureText, getJson } from '@/lib/rest';

type Page = { differences: TensorDifference[]; layers: number; next: string | null };

interface ModelDiffProps {
  hash: string;
  others: ModelSummary[];
  /** There are models that `others` has not. */
  more: boolean;
}

/** What differs between this model and another one, tensor by tensor. Which one is in the address. */
export function ModelDiff({ hash, others, more }: ModelDiffProps) {
  const other = (useSearchParams().get('with') ?? '').trim().toLowerCase();
  const listed = others.find((model) => model.hash === other);
  // Any model can be named in the address, also one that is not offered here.
  const named = useQuery({
    queryKey: ['model', other],
    enabled: other !== '' && !listed,
    queryFn: ({ signal }) => getJson<ModelDetails>(`/models/${encodeURIComponent(other)}`, signal),
    ...FOREVER,
  });
  const found = listed ?? named.data;
  if (others.length === 0 && other === '') {
    return <Empty>This chain holds no other model yet: there is nothing to compare with.</Empty>;
  }
  return (
    <>
      <label className="flex flex-wrap items-center gap-2 text-sm text-faint">
        With
        <select
          value={found?.hash ?? ''}
          onChange={(event) => setQuery('with', event.target.value)}
          className="min-w-0 rounded-md border border-line-strong bg-surface px-2.5 py-1.5 text-ink"
        >
          <option value="">choose a model</option>
          {(found && !listed ? [found, ...others] : others).map((model) => (
            <option key={model.hash} value={model.hash}>
              {model.name}, {model.recipe}, block A {model.height}
            </option>
          ))}
        </select>
        {found && (
          <Link className="link" href={modelHref(found.hash)}>
            Open it
          </Link>
        )}
      </label>
      {more && (
        <p className="mt-1 text-sm text-faint">
          The newest ones of this name and of all are offered; another one is named by its hash, as{' '}
          <code>?with=</code> in the address.
        </p>
      )}
      {named.isLoading && <SkeletonRows />}
      {named.isError && !listed && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {failureText(named.error)}
        </p>
      )}
      {found && <Differences hash={hash} other={found} />}
    </>
  );
}

function Differences({ hash, other }: { hash: string; other: ModelSummary }) {
  const at = `/models/${hash}/diff?with=${other.hash}`;
  const query = useInfiniteQuery({
    queryKey: ['diff', hash, other.hash],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => getJson<Page>(`${at}&limit=200${pageParam}`, signal),
    getNextPageParam: ({ next }) => (next === null ? undefined : `&cursor=${next}`),
    ...FOREVER,
  });
  if (query.isPending) return <SkeletonRows />;
  if (query.isError) {
    return (
      <p role="alert" className="mt-2 text-sm text-bad">
        {failureText(query.error)}
      </p>
    );
  }
  const rows = query.data.pages.flatMap((page) => page.differences);
  const layers = query.data.pages[0]?.layers ?? 0;
  if (rows.length === 0) {
    return <Empty>Nothing differs: both models are made of the same tensors.</Empty>;
  }
  return (
    <div className="mt-3">
      <p className="mb-1 flex flex-wrap gap-x-4 text-sm text-soft">
        {plural(rows.length, 'tensor')}
        {query.hasNextPage ? ' and more' : ''} differ, in {plural(layers, 'layer')}.
        <a className="link" href={`${at}&format=csv`} download>
          CSV
        </a>
      </p>
      <ScrollArea label="Tensors that differ">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col">Differs in</th>
              <th scope="col">Here</th>
              <th scope="col">{other.name}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, here, there }) => (
              <tr key={name}>
                <td className="font-mono text-[0.8125rem]">{name}</td>
                <td className="whitespace-nowrap">{differsIn(here, there)}</td>
                <td>
                  <Side tensor={here} />
                </td>
                <td>
                  <Side tensor={there} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
      {query.hasNextPage && (
        <button
          type="button"
          className="link mt-2 text-sm"
          disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {query.isFetchingNextPage ? 'Reading more' : 'More'}
        </button>
      )}
    </div>
  );
}

/** The most telling difference: where formats differ, so do the bytes. */
function differsIn(here: TensorSummary | null, there: TensorSummary | null): string {
  if (!here) return 'only there';
  if (!there) return 'only here';
  if (here.shape.join() !== there.shape.join()) return 'shape';
  return here.format === there.format ? 'weights' : 'format';
}

function Side({ tensor }: { tensor: TensorSummary | null }) {
  if (!tensor) return <span className="text-faint">not there</span>;
  return (
    <span className="block">
      <Hash
        value={tensor.root}
        href={tensorHref(tensor.root)}
        label={`root of ${tensor.name}`}
        copy={false}
      />
      <span className="block whitespace-nowrap text-[0.8125rem] text-soft">
        {tensor.format}, {tensor.shape.join(' × ')}, <Bytes value={tensor.byteLength} />
      </span>
    </span>
  );
}
