import { isType } from '@blyan/chain/block';
import { readable } from '@blyan/chain/json';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { ModelPage } from '@/components/model/model-page';
import { readBlock } from '@/server/chain/read';
import { context } from '@/server/context';
import { readModel, readOthers } from '@/server/explorer/models';
import { foundOr404, hashOr404, namedGenesis } from '@/server/explorer/page';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ hash: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  return { title: `Model ${(await params).hash.slice(0, 8)}` };
}

export default async function Page({ params }: PageProps) {
  const hash = hashOr404((await params).hash);
  const ctx = context();
  const [model, block, genesis] = await Promise.all([
    foundOr404(readModel(ctx, hash)),
    foundOr404(readBlock(ctx, 'A', hash)),
    namedGenesis(),
  ]);
  if (!isType(block, 'model')) notFound();
  const versions = await readOthers(ctx.db, model);
  return (
    <ModelPage model={model} body={readable(block.body)} versions={versions} genesis={genesis} />
  );
}
