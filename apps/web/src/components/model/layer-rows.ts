'use client';

import type { ModelDetails, TensorSummary } from '@blyan/protocol/explorer';
import {
  keepPreviousData,
  type UseQueryResult,
  useInfiniteQuery,
  useQueries,
  useQuery,
} from '@tanstack/react-query';
import { useMemo } from 'react';
import { plural } from '@/lib/format';
import { FOREVER, getJson } from '@/lib/rest';

type Group = ModelDetails['groups'][number];

/** A line of the table: a layer with its tensors below it, or a tensor. */
export interface LayerRow {
  id: string;
  name: string;
  formats: string;
  shape: string;
  parameters: number;
  bytes: number;
  group: Group | null;
  tensor: TensorSummary | null;
  children: LayerRow[];
  /** The tensors of an open layer: on their way, or refused. */
  state: 'here' | 'loading' | 'failed';
}

type Page = { tensors: TensorSummary[]; next: string | null };
/** All tensors of a layer, but for layers that nobody has seen yet. */
const LIMIT = 500;
/** Matches of a filter that are read at once. */
const MATCHES = 100;

const tensorRow = (tensor: TensorSummary): LayerRow => ({
  id: `${tensor.block} ${tensor.name}`,
  name: tensor.name,
  formats: tensor.format,
  shape: tensor.shape.join(' × ') || 'scalar',
  parameters: tensor.parameters,
  bytes: tensor.byteLength,
  group: null,
  tensor,
  children: [],
  state: 'here',
});

/** All layers of a model: those of the page, and when it has more, the others as soon as they are read. */
export function useGroups(hash: string, first: Group[], count: number): Group[] {
  const model = useQuery({
    queryKey: ['model', hash],
    enabled: count > first.length,
    queryFn: ({ signal }) => getJson<ModelDetails>(`/models/${hash}`, signal),
    ...FOREVER,
  });
  return model.data?.groups ?? first;
}

/** Layers, each with its tensors once it is open. */
export function useTree(hash: string, groups: Group[], open: readonly string[]): LayerRow[] {
  const pages = useQueries({
    queries: open.map((group) => ({
      queryKey: ['model-tensors', hash, { group }],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        getJson<Page>(
          `/models/${hash}/tensors?${new URLSearchParams({ group, limit: `${LIMIT}` })}`,
          signal,
        ),
      ...FOREVER,
    })),
  });
  const version = pages.map(({ status, dataUpdatedAt }) => `${status}${dataUpdatedAt}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `pages` is new each time, `version` is not
  return useMemo(() => treeOf(groups, open, pages), [groups, open.join(), version]);
}

type TensorsQuery = Pick<UseQueryResult<Page>, 'data' | 'isPending' | 'isError'>;

function treeOf(groups: Group[], open: readonly string[], pages: TensorsQuery[]): LayerRow[] {
  return groups.map((group) => {
    const page = pages[open.indexOf(group.group)];
    return {
      id: group.group,
      name: group.group,
      formats: group.formats.join(', '),
      shape: plural(group.tensors, 'tensor'),
      parameters: group.parameters,
      bytes: group.bytes,
      group,
      tensor: null,
      children: page?.data?.tensors.map(tensorRow) ?? [],
      state: page?.isPending ? 'loading' : page?.isError ? 'failed' : 'here',
    };
  });
}

/** Columns of the table that the server sorts by, and its names for them. */
export const SORTS: Readonly<Record<string, string>> = {
  name: 'name',
  parameters: 'parameters',
  bytes: 'byteLength',
};

/** What is listed: by a part of the name, by format, in an order. */
export interface TensorFilter {
  q: string;
  format: string;
  sort: { id: string; desc: boolean } | undefined;
}

/** The same as a query of the API. */
export function tensorQuery({ q, format, sort }: TensorFilter): URLSearchParams {
  const query = new URLSearchParams();
  if (q) query.set('q', q);
  if (format) query.set('tensorFormat', format);
  const column = sort && SORTS[sort.id];
  if (column) {
    query.set('sort', column);
    query.set('order', sort.desc ? 'desc' : 'asc');
  }
  return query;
}

/** Tensors that a filter leaves, page by page; asked and sorted by the server: a model may have thousands. */
export function useMatches(hash: string, filter: TensorFilter) {
  const query = tensorQuery(filter);
  query.set('limit', `${MATCHES}`);
  const matches = useInfiniteQuery({
    queryKey: ['matching-tensors', hash, `${query}`],
    enabled: filter.q !== '' || filter.format !== '',
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      getJson<Page>(`/models/${hash}/tensors?${query}${pageParam}`, signal),
    getNextPageParam: ({ next }) => (next === null ? undefined : `&cursor=${next}`),
    placeholderData: keepPreviousData,
    ...FOREVER,
  });
  const { data } = matches;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.tensors.map(tensorRow)), [data]);
  return { ...matches, rows };
}
