import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { ReceiptPage } from '@/components/explorer/receipt-page';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const metadata: Metadata = { title: 'Receipt' };
export const dynamic = 'force-dynamic';

export default async function Page({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const answer = await orNull(api.answers.receipt({ id }));
  if (!answer) notFound();
  return <ReceiptPage answer={answer} />;
}
