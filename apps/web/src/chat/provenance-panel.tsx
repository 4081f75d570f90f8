'use client';

import type { Receipt } from '@blyan/protocol/answer';
import { useQueries } from '@tanstack/react-query';
import Link from 'next/link';
import { type ReactNode, useState } from 'react';
import { Button } from '@/components/button';
import { Hash } from '@/components/hash';
import { Problem } from '@/components/problem';
import { blockHref } from '@/lib/explorer-links';
import { formatDuration, formatRate } from '@/lib/format';
import { useLocale, useWords } from '@/lib/i18n/provider';
import { parametersOf } from '@/lib/sampling';
import { useTRPC } from '@/lib/trpc';
import { FailureText } from './failure';

/** Layer blocks that are listed at once. */
const FEW = 6;

/** What a receipt says, part by part, each with the link to check it. */
export function ProvenancePanel({ ids }: { ids: readonly string[] }) {
  const { provenance: t } = useWords();
  const trpc = useTRPC();
  const answers = useQueries({
    queries: ids.map((id) => trpc.answers.receipt.queryOptions({ id })),
  });
  return (
    <div className="space-y-6">
      {ids.length > 1 && <p className="text-sm text-soft">{t.cut}</p>}
      {answers.map(({ data, error }, i) => (
        <section key={ids[i]} className="space-y-4">
          {ids.length > 1 && <h3 className="text-sm font-semibold">{t.part(i + 1)}</h3>}
          {error && <Problem title={<FailureText error={error} />} />}
          {!data && !error && <div aria-hidden className="skeleton h-40" />}
          {data?.receipt && <ReceiptFacts receipt={data.receipt} />}
        </section>
      ))}
    </div>
  );
}

function ReceiptFacts({ receipt }: { receipt: Receipt }) {
  const { provenance: t, thread } = useWords();
  const locale = useLocale();
  const [all, setAll] = useState(false);
  const { model, layerBlocks, nodes, params, timings, usage, genesis, requestId } = receipt;
  const shown = all ? layerBlocks : layerBlocks.slice(0, FEW);
  return (
    <div className="space-y-4 text-sm">
      <dl className="space-y-4">
        <Fact name={t.model}>
          {model.name}{' '}
          <Hash value={model.block.hash} href={blockHref('A', model.block.hash)} label={t.model} />
        </Fact>
        <Fact name={`${t.layers} (${layerBlocks.length})`}>
          <ul className="space-y-1">
            {shown.map(({ chain, height, hash, group }) => (
              <li key={hash + group} className="flex items-center justify-between gap-3">
                <span className="truncate text-soft">
                  {chain} {height} · {group}
                </span>
                <Hash value={hash} href={blockHref(chain, hash)} copy={false} label={group} />
              </li>
            ))}
          </ul>
          {!all && layerBlocks.length > FEW && (
            <Button className="mt-2" onClick={() => setAll(true)}>
              {t.more(layerBlocks.length)}
            </Button>
          )}
        </Fact>
        <Fact name={t.workers}>
          <ul className="space-y-1">
            {nodes.map(({ id, attempt, layers }) => (
              <li key={`${id} ${attempt}`}>
                <span className="font-mono text-[0.8125rem]">{id}</span>{' '}
                <span className="text-soft">{t.workerLayers(...layers)}</span>
              </li>
            ))}
          </ul>
        </Fact>
        <Fact name={t.parameters}>
          <ul className="text-soft tabular-nums">
            <li>{thread.seed(params.seed)}</li>
            {parametersOf(params).map((parameter) => (
              <li key={parameter}>{parameter}</li>
            ))}
          </ul>
        </Fact>
        <Fact name={t.speed}>
          <ul className="text-soft tabular-nums">
            {timings.tokensPerSecond !== null && (
              <li>{formatRate(timings.tokensPerSecond, locale)}</li>
            )}
            {timings.firstTokenMs !== null && (
              <li>
                {t.first}: {formatDuration(timings.firstTokenMs, locale)}
              </li>
            )}
            <li>
              {t.total}: {formatDuration(timings.totalMs, locale)}
            </li>
            <li>{t.tokenCount(usage.promptTokens, usage.completionTokens)}</li>
          </ul>
        </Fact>
        <Fact name={t.genesis}>
          <Hash value={genesis} href={blockHref('A', genesis)} label={t.genesis} />
        </Fact>
      </dl>
      <Link href={`/explorer/receipt/${requestId}`} className="link">
        {t.receipt}
      </Link>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="label mb-1">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
