'use client';

import { useQuery } from '@tanstack/react-query';
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server';
import Link from 'next/link';
import { VerifyPanel } from '@/components/verify/verify-panel';
import { useTRPC } from '@/lib/trpc';
import type { AppRouter } from '@/server/trpc/root';
import { BlockTable } from './block-table';
import { ChainTable } from './chain-table';
import { CHAIN_TEXT } from './chains';
import { GrowthChart } from './growth-chart';

type Outputs = inferRouterOutputs<AppRouter>['chain'];
type Input = inferRouterInputs<AppRouter>['chain']['blocks'];

/** New blocks come rarely, by an import: a look every few seconds costs one small query. */
const REFRESH_MS = 5000;

interface ExplorerHomeProps {
  initialHeads: Outputs['heads'];
  initialPage: Outputs['blocks'];
  input: Input;
  /** That this server names. */
  genesis: string | null;
}

export function ExplorerHome({ initialHeads, initialPage, input, genesis }: ExplorerHomeProps) {
  const trpc = useTRPC();
  const heads = useQuery(
    trpc.chain.heads.queryOptions(undefined, {
      initialData: initialHeads,
      refetchInterval: REFRESH_MS,
    }),
  );
  const page = useQuery(
    trpc.chain.blocks.queryOptions(input, {
      initialData: initialPage,
      refetchInterval: input.before === undefined ? REFRESH_MS : false,
    }),
  );
  const { blocks, before } = page.data;
  const older = before === null ? null : `/explorer?chain=${input.chain}&before=${before}`;
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight">Explorer</h1>
      <p className="mt-1 max-w-prose text-soft">
        Every weight of the model is in a block here. Follow one, or fetch it and check it yourself.
      </p>
      {heads.isError && (
        <p role="status" className="mt-3 text-sm text-warn">
          The server does not answer; what you see is from before.
        </p>
      )}
      <section aria-labelledby="chains" className="mt-8">
        <h2 id="chains" className="sr-only">
          Chains
        </h2>
        <ChainTable heads={heads.data} selected={input.chain} />
      </section>
      <section aria-labelledby="growth" className="mt-10">
        <h2 id="growth" className="mb-1 font-semibold">
          Growth of chain {input.chain}
        </h2>
        <GrowthChart chain={input.chain} />
      </section>
      <section aria-labelledby="blocks" className="mt-10">
        <div className="flex flex-wrap items-baseline justify-between gap-2">
          <h2 id="blocks" className="font-semibold">
            {input.before === undefined ? 'Latest blocks' : `Blocks below ${input.before}`} of chain{' '}
            {input.chain}
            <span className="ml-2 font-normal text-faint">{CHAIN_TEXT[input.chain].title}</span>
          </h2>
          <nav aria-label="Pages" className="flex gap-4 text-sm">
            {input.before !== undefined && (
              <Link className="link" href={`/explorer?chain=${input.chain}`}>
                Latest
              </Link>
            )}
            {older && (
              <Link className="link" href={older}>
                Older blocks
              </Link>
            )}
          </nav>
        </div>
        <BlockTable blocks={blocks} chain={input.chain} />
      </section>
      <section aria-labelledby="check" className="mt-10">
        <h2 id="check" className="mb-2 font-semibold">
          Check everything
        </h2>
        <VerifyPanel
          label="Verify all chains and weights"
          target={{ kind: 'chains' }}
          genesis={genesis}
        />
      </section>
    </>
  );
}
