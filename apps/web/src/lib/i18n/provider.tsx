'use client';

import { createContext, type ReactNode, use, useEffect } from 'react';
import type { Dictionary } from './en';
import { dictionaryOf, type Locale } from './locale';
import { textLang } from './text-lang';

const LocaleContext = createContext<Locale>('en');

/** Machines without a Korean font get one; each part of it is fetched when it is needed. */
export function useKoreanFont(needed: boolean): void {
  useEffect(() => {
    if (needed) void import('@fontsource-variable/noto-sans-kr');
  }, [needed]);
}

export function LocaleProvider({ locale, children }: { locale: Locale; children: ReactNode }) {
  useKoreanFont(locale === 'ko');
  return <LocaleContext value={locale}>{children}</LocaleContext>;
}

export const useLocale = (): Locale => use(LocaleContext);
/** The `lang` of an element with a text that may be in another language than the page. */
export function useLangOf(): (text: string) => Locale | undefined {
  const locale = useLocale();
  return (text) => textLang(text, locale);
}
export const useWords = (): Dictionary => dictionaryOf(useLocale());
