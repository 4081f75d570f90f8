'use client';

import { createContext, type ReactNode, use } from 'react';
import type { Dictionary } from './en';
import { dictionaryOf, type Locale } from './locale';

const LocaleContext = createContext<Locale>('en');

export function LocaleProvider({ locale, children }: { locale: Locale; children: ReactNode }) {
  return <LocaleContext value={locale}>{children}</LocaleContext>;
}

export const useLocale = (): Locale => use(LocaleContext);
export const useWords = (): Dictionary => dictionaryOf(useLocale());
