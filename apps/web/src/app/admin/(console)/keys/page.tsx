import type { Metadata } from 'next';
import { KeysPage } from '@/admin/keys/page';

export const metadata: Metadata = { title: 'Keys' };

export default function Page() {
  return <KeysPage />;
}
