import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { BlockPage } from '@/components/explorer/block-page';
import { isChain } from '@/components/explorer/chains';
import { namedGenesis } from '@/server/explorer/page';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ chain: string; ref: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  const { chain, ref } = await params;
  return { title: `Block ${chain} ${ref.length > 16 ? ref.slice(0, 8) : ref}` };
}

export default async function Page({ params }: PageProps) {
  const { chain, ref } = await params;
  if (!isChain(chain)) notFound();
  const block = await orNull(api.chain.block({ chain, ref }));
  if (!block) notFound();
  return <BlockPage block={block} genesis={await namedGenesis()} />;
}
