import 'katex/dist/katex.min.css';
import type { Metadata } from 'next';
import { headers } from 'next/headers';
import { notFound } from 'next/navigation';
import { SharedPage } from '@/chat/shared-page';
import { chooseLocale, dictionaryOf } from '@/lib/i18n/locale';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

interface PageProps {
  params: Promise<{ token: string }>;
}

/** Its address is a secret: no search engine keeps it. */
export async function generateMetadata(): Promise<Metadata> {
  const asked = await headers();
  const locale = chooseLocale(asked.get('cookie'), asked.get('accept-language'));
  return { title: dictionaryOf(locale).share.page, robots: { index: false, follow: false } };
}

export default async function Page({ params }: PageProps) {
  const { token } = await params;
  const shared = await orNull(api.conversations.shared({ token }));
  if (!shared) notFound();
  return <SharedPage shared={shared} />;
}
