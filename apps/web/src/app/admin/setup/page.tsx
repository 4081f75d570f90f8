import type { Metadata } from 'next';
import { Setup } from '@/admin/access/setup';
import { EnglishMain } from '@/components/english-main';
import { PASSWORD_MIN } from '@/server/admin/auth';

export const metadata: Metadata = { title: 'Become an admin' };
export const dynamic = 'force-dynamic';

export default function SetupPage() {
  return (
    <EnglishMain className="mx-auto w-full max-w-sm flex-1 px-4 py-12">
      <h1 className="text-xl font-semibold tracking-tight">Become an admin</h1>
      <p className="mt-1 text-sm text-soft">
        This link works once. Choose a password for yourself.
      </p>
      <Setup passwordMin={PASSWORD_MIN} />
    </EnglishMain>
  );
}
