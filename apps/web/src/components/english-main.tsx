import type { ReactNode } from 'react';
import { LocaleProvider } from '@/lib/i18n/provider';

/** Pages that are in English only, whatever the reader's language: with the parts that they share. */
export function EnglishMain({ className, children }: { className: string; children: ReactNode }) {
  return (
    <LocaleProvider locale="en">
      <main id="main" lang="en" className={className}>
        {children}
      </main>
    </LocaleProvider>
  );
}
