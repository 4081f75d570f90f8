'use client';

import { ChevronLeft, ChevronRight } from 'lucide-react';
import { useWords } from '@/lib/i18n/provider';

export interface VersionSwitchProps {
  versions: readonly string[];
  version: number;
  busy: boolean;
  onSelect(id: string): void;
}

/** Goes through the versions of a question, or the alternatives of an answer. */
export function VersionSwitch({ versions, version, busy, onSelect }: VersionSwitchProps) {
  const { thread: t } = useWords();
  if (versions.length < 2) return null;
  const step = (by: number, label: string, Icon: typeof ChevronLeft) => {
    const id = versions[version + by];
    return (
      <button
        type="button"
        className="icon-button size-7"
        aria-label={label}
        title={label}
        disabled={busy || id === undefined}
        onClick={() => id && onSelect(id)}
      >
        <Icon aria-hidden className="size-4" />
      </button>
    );
  };
  return (
    <span className="inline-flex items-center text-[0.8125rem] text-faint tabular-nums">
      {step(-1, t.previous, ChevronLeft)}
      <span data-testid="version">{t.version(version + 1, versions.length)}</span>
      {step(1, t.next, ChevronRight)}
    </span>
  );
}
