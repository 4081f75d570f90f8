'use client';

import Link from 'next/link';
import type { ReactNode } from 'react';
import { Stripe } from '@/components/stripe';
import { blockHref } from '@/lib/explorer-links';
import { formatRate } from '@/lib/format';
import { useLocale, useWords } from '@/lib/i18n/provider';
import type { ShownProvenance } from './types';

/** Where an answer came from, each part a link to check it. */
export function ProvenanceLine({ provenance }: { provenance: ShownProvenance }) {
  const { thread: t } = useWords();
  const locale = useLocale();
  const { model, layers, seed, tokens_per_second: rate, receipt } = provenance;
  return (
    <p
      data-testid="provenance"
      className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1 text-[0.8125rem] text-faint tabular-nums"
    >
      <BlockLink block={model.block} title={`${t.modelBlock} ${model.block.hash}`}>
        {model.name}
      </BlockLink>
      <span className="inline-flex items-center gap-1.5">
        <BlockLink block={layers.first} title={`${t.firstBlock}: ${layers.first.group}`}>
          {layers.first.chain} {layers.first.height}
        </BlockLink>
        {t.to}
        <BlockLink block={layers.last} title={`${t.lastBlock}: ${layers.last.group}`}>
          {layers.last.chain} {layers.last.height}
        </BlockLink>
      </span>
      <span>{t.seed(seed)}</span>
      {rate !== null && <span>{formatRate(rate, locale)}</span>}
      {receipt !== null && (
        <Link href={receipt} className="link">
          {t.receipt}
        </Link>
      )}
    </p>
  );
}

interface BlockLinkProps {
  block: { chain: string; hash: string };
  title: string;
  children: ReactNode;
}

function BlockLink({ block, title, children }: BlockLinkProps) {
  return (
    <Link
      href={blockHref(block.chain, block.hash)}
      title={title}
      className="inline-flex items-center gap-1.5 underline-offset-3 hover:text-ink hover:underline"
    >
      <Stripe hash={block.hash} className="h-2.5 w-3.5" />
      {children}
    </Link>
  );
}
