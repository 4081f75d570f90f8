import type { Metadata } from 'next';
import { TensorPage } from '@/components/tensor/tensor-page';
import { context } from '@/server/context';
import { foundOr404, hashOr404, namedGenesis } from '@/server/explorer/page';
import { readTensor } from '@/server/explorer/tensors';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ root: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  return { title: `Tensor ${(await params).root.slice(0, 8)}` };
}

export default async function Page({ params }: PageProps) {
  const root = hashOr404((await params).root);
  const [tensor, genesis] = await Promise.all([
    foundOr404(readTensor(context(), root)),
    namedGenesis(),
  ]);
  const own = await api.answers.ofModels({ models: tensor.models.map(({ hash }) => hash) });
  return <TensorPage tensor={tensor} own={own} genesis={genesis} />;
}
