'use client';

import { useWords } from '@/lib/i18n/provider';
import { CopyButton } from './copy-button';

/** A command to run, with the button that copies it. */
export function Command({ children }: { children: string }) {
  const { copy: t } = useWords();
  return (
    <div className="flex items-start gap-2 rounded-md border bg-sunken py-1 pr-1 pl-3">
      <code
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="min-w-0 flex-1 overflow-x-auto py-1.5 font-mono text-[0.8125rem] whitespace-pre"
      >
        {children}
      </code>
      <CopyButton text={children} label={t.command} />
    </div>
  );
}
