'use client';

import { Languages } from 'lucide-react';
import { useRouter } from 'next/navigation';
import { LOCALE_COOKIE, type Locale } from '@/lib/i18n/locale';
import { useLocale, useWords } from '@/lib/i18n/provider';

const YEAR_S = 31_536_000;

/** Remembers a language; the server renders in it from then on. */
export function useSetLocale(): (locale: Locale) => void {
  const router = useRouter();
  return (locale) => {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is missing in Firefox
    document.cookie = `${LOCALE_COOKIE}=${locale}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax`;
    router.refresh();
  };
}

export const otherLocale = (locale: Locale): Locale => (locale === 'en' ? 'ko' : 'en');

export function LanguageToggle() {
  const locale = useLocale();
  const t = useWords();
  const setLocale = useSetLocale();
  return (
    <button
      type="button"
      lang={otherLocale(locale)}
      className="icon-button w-auto px-2"
      aria-label={`${otherLocale(locale).toUpperCase()}: ${t.palette.language}`}
      title={t.palette.language}
      onClick={() => setLocale(otherLocale(locale))}
    >
      <span className="flex items-center gap-1.5 text-sm">
        <Languages aria-hidden className="size-4" />
        {otherLocale(locale).toUpperCase()}
      </span>
    </button>
  );
}
