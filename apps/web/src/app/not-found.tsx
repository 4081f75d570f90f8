'use client';

import Link from 'next/link';
import { useWords } from '@/lib/i18n/provider';

export default function NotFound() {
  const { notFound: t } = useWords();
  return (
    <main id="main" className="mx-auto w-full max-w-2xl flex-1 px-4 py-16 sm:px-6">
      <h1 className="text-xl font-semibold">{t.title}</h1>
      <ul className="mt-3 list-disc space-y-1 pl-5 text-soft marker:text-faint">
        <li>
          {t.blocks} <code>/explorer/A/0</code>
        </li>
        <li>{t.receipts}</li>
        <li>{t.shared}</li>
      </ul>
      <p className="mt-4 flex gap-4">
        <Link href="/explorer" className="link">
          {t.explorer}
        </Link>
        <Link href="/" className="link">
          {t.chat}
        </Link>
      </p>
    </main>
  );
}
