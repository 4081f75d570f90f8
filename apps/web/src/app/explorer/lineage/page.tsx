import { Hash, RequestId } from '@blyan/protocol/ids';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { z } from 'zod';
import { lineageGraph } from '@/components/lineage/graph';
import { LineagePage } from '@/components/lineage/lineage-page';
import { context } from '@/server/context';
import { readLineage } from '@/server/explorer/lineage';
import { foundOr404 } from '@/server/explorer/page';

export const metadata: Metadata = { title: 'Lineage' };
export const dynamic = 'force-dynamic';

const place = z.coerce.number().int().min(0).optional();
const Query = z.object({
  answer: RequestId.optional(),
  model: Hash.optional(),
  group: z.string().max(64).optional(),
  tensor: Hash.optional(),
  chunk: place,
  layersFrom: place,
  tensorsFrom: place,
  chunksFrom: place,
});

type Search = Promise<Record<string, string | string[] | undefined>>;

export default async function Page({ searchParams }: { searchParams: Search }) {
  const query = Query.safeParse(await searchParams);
  if (!query.success) notFound();
  const { answer, model, tensor } = query.data;
  if (!answer && !model && !tensor) notFound();
  const data = await foundOr404(readLineage(context(), query.data));
  return <LineagePage graph={lineageGraph(data)} />;
}
