'use client';

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { SkeletonRows } from '@/components/empty';
import { HexView } from '@/components/hex/hex-view';
import { ScrollArea } from '@/components/scroll-area';
import { FOREVER, failureText, getJson } from '@/lib/rest';

interface BlockBytesProps {
  chain: string;
  hash: string;
}

const TABS = ['header', 'body', 'JSON'] as const;

/** The exact bytes that are hashed, with their fields, and the same decoded. */
export function BlockBytes({ chain, hash }: BlockBytesProps) {
  const [tab, setTab] = useState<(typeof TABS)[number]>('header');
  const at = `/chain/${chain}/block/${hash}`;
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2 text-sm">
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={tab === name}
            onClick={() => setTab(name)}
            className={`rounded-md border px-2.5 py-1 ${tab === name ? 'border-line-strong bg-sunken font-medium' : 'text-soft hover:bg-sunken'}`}
          >
            {name}
          </button>
        ))}
        <span className="ml-auto flex flex-wrap gap-4">
          {(['cbor', 'header', 'body', 'signature'] as const).map((format) => (
            <a
              key={format}
              className="link"
              href={`${at}?format=${format}`}
              download={`${chain}-${hash.slice(0, 8)}.${format}`}
            >
              Download {format === 'cbor' ? 'block' : format}
            </a>
          ))}
        </span>
      </div>
      {tab === 'JSON' ? (
        <JsonView at={at} />
      ) : (
        <HexView key={tab} path={`${at}?format=${tab}`} name={tab} />
      )}
    </>
  );
}

/** Fields that a person reads; beside them the answer has the exact bytes. */
const READABLE = ['chain', 'height', 'hash', 'header', 'body', 'signature'];

/** Read when it is asked for: that of a model with a thousand layers is larger than the page. */
function JsonView({ at }: { at: string }) {
  const block = useQuery({
    queryKey: ['block-json', at],
    queryFn: ({ signal }) => getJson<Record<string, unknown>>(at, signal),
    ...FOREVER,
  });
  if (block.isPending) return <SkeletonRows />;
  if (block.isError) {
    return (
      <p role="alert" className="text-sm text-bad">
        {failureText(block.error)}
      </p>
    );
  }
  const readable = Object.fromEntries(READABLE.map((name) => [name, block.data[name]]));
  return (
    <ScrollArea label="The block as JSON">
      <pre className="max-h-[32rem] rounded-md border bg-sunken p-3 font-mono text-[0.8125rem]">
        {JSON.stringify(readable, null, 2)}
      </pre>
    </ScrollArea>
  );
}
