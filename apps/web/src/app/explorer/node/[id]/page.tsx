import { NodeId } from '@blyan/protocol/ids';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { NodePage } from '@/components/explorer/node-page';
import { context } from '@/server/context';
import { readNode } from '@/server/explorer/nodes';
import { foundOr404 } from '@/server/explorer/page';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ id: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  return { title: `Worker ${(await params).id.slice(0, 64)}` };
}

export default async function Page({ params }: PageProps) {
  const id = NodeId.safeParse((await params).id);
  if (!id.success) notFound();
  const [node, own] = await Promise.all([
    foundOr404(readNode(context(), id.data)),
    api.answers.ofNode({ node: id.data }),
  ]);
  return <NodePage node={node} own={own} />;
}
