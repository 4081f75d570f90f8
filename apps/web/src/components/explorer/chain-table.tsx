import type { inferRouterOutputs } from '@trpc/server';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { RelativeTime } from '@/components/relative-time';
import { ScrollArea } from '@/components/scroll-area';
import { blockHref } from '@/lib/explorer-links';
import { formatCount } from '@/lib/format';
import type { AppRouter } from '@/server/trpc/root';
import { CHAIN_TEXT } from './chains';

/** Keys that ever wrote to a chain; usually one. */
const SHOWN_AUTHORS = 2;

type Heads = inferRouterOutputs<AppRouter>['chain']['heads'];

export function ChainTable({ heads, selected }: { heads: Heads; selected: string }) {
  return (
    <ScrollArea label="Chains">
      <table className="data-table">
        <thead>
          <tr>
            <th scope="col">Chain</th>
            <th scope="col" className="!text-right">
              Blocks
            </th>
            <th scope="col" className="!text-right">
              Size
            </th>
            <th scope="col">Newest block</th>
            <th scope="col">Written</th>
            <th scope="col" className="hidden md:table-cell">
              Authors
            </th>
            <th scope="col" className="hidden lg:table-cell">
              Holds
            </th>
          </tr>
        </thead>
        <tbody>
          {heads.map(({ chain, size, bytes, authors, head }) => (
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
              <td className="text-right text-soft">
                <Bytes value={bytes} />
              </td>
              <td>
                {head ? (
                  <Hash value={head.hash} href={blockHref(chain, head.hash)} label="block hash" />
                ) : (
                  <span className="text-faint">no block yet</span>
                )}
              </td>
              <td className="text-soft">{head ? <RelativeTime time={head.header.time} /> : '–'}</td>
              <td className="hidden md:table-cell">
                {authors.length === 0 && <span className="text-faint">–</span>}
                {authors.slice(0, SHOWN_AUTHORS).map((author) => (
                  <span key={author} className="block">
                    <Hash value={author} label="author key" />
                  </span>
                ))}
                {authors.length > SHOWN_AUTHORS && (
                  <span className="text-faint">
                    and {formatCount(authors.length - SHOWN_AUTHORS)} more
                  </span>
                )}
              </td>
              <td className="hidden text-soft lg:table-cell">{CHAIN_TEXT[chain].holds}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}
