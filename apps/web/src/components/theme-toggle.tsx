'use client';

import { Moon, Sun } from 'lucide-react';
import { useTheme } from 'next-themes';
import { useWords } from '@/lib/i18n/provider';

export function useSwitchTheme(): () => void {
  const { resolvedTheme, setTheme } = useTheme();
  return () => setTheme(resolvedTheme === 'dark' ? 'light' : 'dark');
}

export function ThemeToggle() {
  const t = useWords();
  const switchTheme = useSwitchTheme();
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={t.header.theme}
      title={t.header.themeHint}
      onClick={switchTheme}
    >
      <Sun aria-hidden className="hidden size-4 dark:block" />
      <Moon aria-hidden className="size-4 dark:hidden" />
    </button>
  );
}
