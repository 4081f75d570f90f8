import type { Metadata } from 'next';
import { api } from '@/server/trpc/root';

interface PageProps {
  params: Promise<{ id: string }>;
}

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  const { id } = await params;
  const conversation = await api.conversations.get({ id }).catch(() => null);
  return conversation ? { title: conversation.title } : {};
}

/** A conversation by its address; the layout shows it. */
export default function Page() {
  return null;
}
