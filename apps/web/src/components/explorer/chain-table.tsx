import type { inferRouterOutputs } from '@trpc/server';
import Link from 'next/link';
import { Hash } from '@/components/hash';
import { RelativeTime } from '@/components/relative-time';
import { blockHref } from '@/lib/explorer-links';
import { formatCount } from '@/lib/format';
import type { AppRouter } from '@/server/trpc/root';
import { CHAIN_TEXT } from './chains';

type Heads = inferRouterOutputs<AppRouter>['chain']['heads'];

export function ChainTable({ heads, selected }: { heads: Heads; selected: string }) {
  return (
    <div className="overflow-x-auto">
      <table className="data-table">
        <thead>
          <tr>
            <th scope="col">Chain</th>
            <th scope="col" className="!text-right">
              Blocks
            </th>
            <th scope="col">Newest block</th>
            <th scope="col">Written</th>
            <th scope="col" className="hidden md:table-cell">
              Holds
            </th>
          </tr>
        </thead>
        <tbody>
          {heads.map(({ chain, size, head }) => (
            <tr key={chain}>
              <td>
                <Link
                  href={`/explorer?chain=${chain}`}
                  aria-current={chain === selected ? 'true' : undefined}
                  className={`inline-flex items-baseline gap-2 hover:underline ${chain === selected ? 'font-semibold' : ''}`}
                >
                  <span className="inline-grid size-6 place-items-center rounded border border-line-strong font-mono text-[0.8125rem]">
                    {chain}
                  </span>
                  {CHAIN_TEXT[chain].title}
                </Link>
              </td>
              <td className="text-right">{formatCount(size)}</td>
              <td>
                {head ? (
                  <Hash value={head.hash} href={blockHref(chain, head.hash)} label="block hash" />
                ) : (
                  <span className="text-faint">no block yet</span>
                )}
              </td>
              <td className="text-soft">{head ? <RelativeTime time={head.header.time} /> : '–'}</td>
              <td className="hidden text-soft md:table-cell">{CHAIN_TEXT[chain].holds}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
