'use client';

import { useState } from 'react';
import { useLangOf, useWords } from '@/lib/i18n/provider';

/** Open while the model thinks, folded when it answers, unless the reader has chosen. */
export function Thinking({ text, now }: { text: string; now: boolean }) {
  const { thread: t } = useWords();
  const langOf = useLangOf();
  const [chosen, setChosen] = useState<boolean | null>(null);
  const open = chosen ?? now;
  return (
    <details open={open} className="mb-3 text-sm text-soft">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a summary is a button */}
      <summary
        onClick={(event) => {
          event.preventDefault();
          setChosen(!open);
        }}
      >
        {now ? t.thinking : t.thought}
      </summary>
      <p lang={langOf(text)} className="mt-1 border-l-2 pl-3 whitespace-pre-wrap">
        {text.trim()}
      </p>
    </details>
  );
}
