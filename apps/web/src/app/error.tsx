'use client';

import { CurlCommand } from '@/components/curl-command';
import { Problem } from '@/components/problem';
import { useWords } from '@/lib/i18n/provider';

/** A page that could not be made: usually the database or Redis is down. */
export default function PageError({ retry, reset }: { retry?: () => void; reset: () => void }) {
  const { broken: t } = useWords();
  return (
    <main id="main" className="mx-auto w-full max-w-2xl flex-1 px-4 py-16 sm:px-6">
      <Problem title={t.title}>
        <p>{t.text}</p>
        <CurlCommand path="/ready" />
        <button
          type="button"
          onClick={retry ?? reset}
          className="rounded-md border border-line-strong bg-surface px-3 py-1.5 text-ink hover:bg-sunken"
        >
          {t.again}
        </button>
      </Problem>
    </main>
  );
}
