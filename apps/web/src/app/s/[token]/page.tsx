import 'katex/dist/katex.min.css';
import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import { SharedPage } from '@/chat/shared-page';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ token: string }>;
}

/** Its address is a secret: no search engine keeps it. */
export const metadata: Metadata = { title: 'Shared', robots: { index: false, follow: false } };

export default async function Page({ params }: PageProps) {
  const { token } = await params;
  const shared = await orNull(api.conversations.shared({ token }));
  if (!shared) notFound();
  return <SharedPage shared={shared} />;
}
