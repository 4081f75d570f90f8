import { isType } from '@blyan/chain/block';
import { readable } from '@blyan/chain/json';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { OwnFilePage } from '@/components/own-file/own-file-page';
import { readBlock } from '@/server/chain/read';
import { context } from '@/server/context';
import { foundOr404, hashOr404, namedGenesis } from '@/server/explorer/page';

export const metadata: Metadata = { title: 'Verify your own file' };
export const dynamic = 'force-dynamic';

export default async function Page({ params }: { params: Promise<{ hash: string }> }) {
  const hash = hashOr404((await params).hash);
  const block = await foundOr404(readBlock(context(), 'A', hash));
  if (!isType(block, 'model')) notFound();
  const { name, source, recipe } = readable(block.body);
  return <OwnFilePage model={{ hash, name, source, recipe }} genesis={await namedGenesis()} />;
}
