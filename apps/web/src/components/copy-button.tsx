'use client';

import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useWords } from '@/lib/i18n/provider';

interface CopyButtonProps {
  text: string | (() => string);
  label?: string;
  /** What it copies, where that is all that there is to say. */
  of?: string;
  /** Small, and shown only near the pointer where there is one. */
  quiet?: boolean;
}

const SHOWN_MS = 1500;

export function CopyButton({ text, of = '', label, quiet = false }: CopyButtonProps) {
  const { copy: t } = useWords();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    if (await writeClipboard(typeof text === 'string' ? text : text())) setCopied(true);
  };
  const Icon = copied ? Check : Copy;
  const shown = copied ? t.done : (label ?? t.of(of));
  return (
    <button
      type="button"
      onClick={copy}
      aria-label={shown}
      title={shown}
      className={
        quiet
          ? 'grid size-6 shrink-0 place-items-center rounded text-faint transition-opacity hover:bg-sunken hover:text-ink focus-visible:opacity-100 group-hover/hash:opacity-100 pointer-fine:opacity-0'
          : 'icon-button'
      }
    >
      <Icon aria-hidden className={quiet ? 'size-3.5' : 'size-4'} />
    </button>
  );
}

/** Pages on plain http and another host than localhost have no clipboard API. */
async function writeClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
