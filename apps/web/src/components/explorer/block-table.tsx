import type { inferRouterOutputs } from '@trpc/server';
import Link from 'next/link';
import { Bytes } from '@/components/bytes';
import { Command } from '@/components/command';
import { Hash } from '@/components/hash';
import { RelativeTime } from '@/components/relative-time';
import { ScrollArea } from '@/components/scroll-area';
import { blockHref } from '@/lib/explorer-links';
import type { AppRouter } from '@/server/trpc/root';
import { TYPE_TEXT } from './chains';

type Blocks = inferRouterOutputs<AppRouter>['chain']['blocks']['blocks'];

export function BlockTable({ blocks, chain }: { blocks: Blocks; chain: string }) {
  if (blocks.length === 0) return <NoBlocks chain={chain} />;
  return (
    <ScrollArea label="Blocks">
      <table className="data-table">
        <thead>
          <tr>
            <th scope="col" className="!text-right">
              Height
            </th>
            <th scope="col">Type</th>
            <th scope="col">Hash</th>
            <th scope="col" className="hidden md:table-cell">
              Author
            </th>
            <th scope="col" className="!text-right">
              Body
            </th>
            <th scope="col">Written</th>
          </tr>
        </thead>
        <tbody>
          {blocks.map(({ height, hash, header }) => (
            <tr key={hash} className="hover:bg-sunken/60">
              <td className="text-right">
                <Link href={blockHref(chain, hash)} className="link">
                  {height}
                </Link>
              </td>
              <td>{TYPE_TEXT[header.type] ?? header.type}</td>
              <td>
                <Hash value={hash} label="block hash" />
              </td>
              <td className="hidden md:table-cell">
                <Hash value={header.author} label="author key" copy={false} />
              </td>
              <td className="text-right text-soft">
                <Bytes value={header.bodyLength} />
              </td>
              <td className="text-soft">
                <RelativeTime time={header.time} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}

function NoBlocks({ chain }: { chain: string }) {
  return (
    <div className="mt-4 max-w-2xl space-y-3 text-sm text-soft">
      {chain === 'L' ? (
        <p>This chain holds receipts and rewards once they are settled. There are none yet.</p>
      ) : (
        <>
          <p>There is no block here yet. An import writes the first ones:</p>
          <Command>npm run model:import -- models/blyan-guide</Command>
        </>
      )}
    </div>
  );
}
