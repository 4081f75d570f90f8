import type { Metadata } from 'next';
import { isChain } from '@/components/explorer/chains';
import { ExplorerHome } from '@/components/explorer/home';
import { namedGenesis } from '@/server/explorer/page';
import { api } from '@/server/trpc/root';

export const metadata: Metadata = { title: 'Explorer' };
export const dynamic = 'force-dynamic';

type Search = Promise<{ chain?: string; before?: string }>;

export default async function ExplorerPage({ searchParams }: { searchParams: Search }) {
  const { chain = '', before = '' } = await searchParams;
  const heads = await api.chain.heads();
  const selected = isChain(chain) ? chain : 'B';
  const height = /^\d{1,9}$/.test(before) ? Number(before) : undefined;
  const input = { chain: selected, limit: 25, ...(height === undefined ? {} : { before: height }) };
  const [page, genesis] = await Promise.all([api.chain.blocks(input), namedGenesis()]);
  return <ExplorerHome initialHeads={heads} initialPage={page} input={input} genesis={genesis} />;
}
