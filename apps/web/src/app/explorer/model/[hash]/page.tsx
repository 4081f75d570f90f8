import { isType } from '@blyan/chain/block';
import { readable } from '@blyan/chain/json';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { ModelPage } from '@/components/model/model-page';
import { readBlock } from '@/server/chain/read';
import { context } from '@/server/context';
import { readModel, readModels } from '@/server/explorer/models';
import { foundOr404, hashOr404, namedGenesis } from '@/server/explorer/page';

export const dynamic = 'force-dynamic';

/** Versions of a model that are offered to be compared. */
const VERSIONS = 50;

interface PageProps {
  params: Promise<{ hash: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  return { title: `Model ${(await params).hash.slice(0, 8)}` };
}

export default async function Page({ params }: PageProps) {
  const hash = hashOr404((await params).hash);
  const ctx = context();
  const [model, block, genesis, { models }] = await Promise.all([
    foundOr404(readModel(ctx, hash)),
    foundOr404(readBlock(ctx, 'A', hash)),
    namedGenesis(),
    readModels(ctx.db, { sort: 'height', order: 'desc', limit: VERSIONS }),
  ]);
  if (!isType(block, 'model')) notFound();
  // Every other model, those of the same name first: a new version may have a new name.
  const others = models.filter((other) => other.hash !== hash);
  others.sort((a, b) => Number(b.name === model.name) - Number(a.name === model.name));
  return <ModelPage model={model} body={readable(block.body)} others={others} genesis={genesis} />;
}
