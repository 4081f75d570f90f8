'use client';

import { type Span, spansOf } from '@blyan/chain/codec-spans';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { SkeletonRows } from '@/components/empty';
import { formatBytes, formatCount } from '@/lib/format';
import { FOREVER } from '@/lib/rest';
import { HexRows } from './hex-rows';
import { meaningOf } from './meaning';

interface HexViewProps {
  /** Where the bytes are; they never change. */
  path: string;
  /** What they are, e.g. `header`. */
  name: string;
}

/** Bytes of one page: 64 lines. */
const PAGE = 1024;

/** Canonical bytes with their fields: the pointer or the arrow keys choose one, and it is said. */
export function HexView({ path, name }: HexViewProps) {
  const query = useQuery({
    queryKey: ['bytes', path],
    queryFn: async ({ signal }) => {
      const response = await fetch(path, { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    },
    ...FOREVER,
  });
  if (query.isPending) return <SkeletonRows />;
  if (query.isError) {
    return (
      <p role="alert" className="text-sm text-bad">
        The bytes could not be read.{' '}
        <button type="button" className="link" onClick={() => void query.refetch()}>
          Try again
        </button>
      </p>
    );
  }
  return <Fields bytes={query.data} name={name} />;
}

function Fields({ bytes, name }: { bytes: Uint8Array; name: string }) {
  const spans = useMemo(() => spansOf(bytes, MAX_BODY_BYTES), [bytes]);
  const [chosen, setChosen] = useState(0);
  const [page, setPage] = useState(0);
  const pages = Math.ceil(bytes.length / PAGE);
  const choose = (index: number) => {
    const next = Math.min(spans.length - 1, Math.max(0, index));
    setChosen(next);
    setPage(Math.floor(spans[next]!.start / PAGE));
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) choose(chosen + step);
    else if (event.key === 'Home') choose(0);
    else if (event.key === 'End') choose(spans.length - 1);
    else return;
    event.preventDefault();
  };
  const span = spans[chosen]!;
  return (
    <div>
      <div
        className="mb-2 min-h-12 rounded-md border bg-sunken px-3 py-1.5 text-sm"
        aria-live="polite"
      >
        <Meaning span={span} />
      </div>
      <div
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes the arrow keys
        tabIndex={0}
        aria-label={`Bytes of the ${name}. Arrow keys go from field to field.`}
        className="overflow-x-auto rounded-md border bg-surface p-3 font-mono text-[0.8125rem] leading-6"
        onKeyDown={keys}
        data-testid={`hex-${name}`}
      >
        <HexRows
          bytes={bytes}
          spans={spans}
          from={page * PAGE}
          to={Math.min(bytes.length, (page + 1) * PAGE)}
          chosen={span}
          onPoint={(at) => setChosen(spans.findIndex(({ start, end }) => start <= at && at < end))}
        />
      </div>
      <p className="mt-1 flex flex-wrap items-center gap-x-4 text-sm text-faint">
        {formatBytes(bytes.length)}, {formatCount(spans.length)} marked parts.
        {pages > 1 && (
          <span className="flex items-center gap-2 tabular-nums">
            <button
              type="button"
              className="link disabled:opacity-40"
              disabled={page === 0}
              onClick={() => setPage(page - 1)}
            >
              Previous bytes
            </button>
            {page + 1} of {pages}
            <button
              type="button"
              className="link disabled:opacity-40"
              disabled={page + 1 === pages}
              onClick={() => setPage(page + 1)}
            >
              Next bytes
            </button>
          </span>
        )}
      </p>
    </div>
  );
}

function Meaning({ span }: { span: Span }) {
  const { path, text, note } = meaningOf(span);
  return (
    <>
      <span className="flex flex-wrap items-baseline gap-x-3">
        <span className="font-medium">{path}</span>
        <span className="min-w-0 font-mono text-[0.8125rem] break-all">{text}</span>
      </span>
      <span className="text-[0.8125rem] text-faint tabular-nums">
        bytes {span.start} to {span.end - 1}
        {note && `: ${note}`}
      </span>
    </>
  );
}
