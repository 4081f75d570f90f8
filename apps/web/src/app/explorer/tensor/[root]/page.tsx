import type { Metadata } from 'next';
import { TensorPage } from '@/components/tensor/tensor-page';
import { context } from '@/server/context';
import { foundOr404, hashOr404, namedGenesis } from '@/server/explorer/page';
import { readTensor } from '@/server/explorer/tensors';

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
  return <TensorPage tensor={tensor} genesis={genesis} />;
}
