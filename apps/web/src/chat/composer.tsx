'use client';

import { ArrowUp, Square } from 'lucide-react';
import { type FormEvent, type KeyboardEvent, useEffect, useRef } from 'react';
import { MAX_QUESTION } from '@/lib/conversation-limits';
import { useWords } from '@/lib/i18n/provider';
import { endsComposition } from './composition';
import type { Drafts } from './drafts';
import { useDraft } from './use-draft';

interface ComposerProps {
  busy: boolean;
  ready: boolean;
  drafts: Drafts;
  /** Under which what is typed is kept. */
  draftKey: string;
  onSend(text: string): void;
  onStop(): void;
}

export function Composer({ busy, ready, drafts, draftKey, onSend, onStop }: ComposerProps) {
  const { composer: t } = useWords();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useDraft(field, drafts, draftKey);

  // With a keyboard at hand one can type at once; on a phone it would open over the page.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, []);

  useEffect(() => {
    if (!busy) return;
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== 'Escape' || event.isComposing) return;
      // It closes what is open over the page first.
      if (!document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]')) onStop();
    };
    // Before what is open over the page closes itself.
    addEventListener('keydown', onKey, true);
    return () => removeEventListener('keydown', onKey, true);
  }, [busy, onStop]);

  const canSend = ready && !busy && text.trim() !== '';
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!canSend) return;
    onSend(text.trim());
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || endsComposition(event)) return;
    event.preventDefault();
    submit();
  };

  return (
    <form
      onSubmit={submit}
      className="flex items-end gap-2 rounded-xl border border-line-strong bg-surface p-2 pl-3.5 focus-within:border-accent"
    >
      <textarea
        ref={field}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        rows={1}
        maxLength={MAX_QUESTION}
        aria-label={t.message}
        placeholder={t.placeholder}
        enterKeyHint="send"
        className="field-sizing-content max-h-48 min-h-9 min-w-0 flex-1 resize-none bg-transparent py-1.5 outline-none placeholder:text-faint"
      />
      {busy ? (
        <button
          type="button"
          aria-label={t.stop}
          title={t.stopHint}
          onClick={onStop}
          className="grid size-9 shrink-0 place-items-center rounded-lg border border-line-strong bg-surface hover:bg-sunken"
        >
          <Square aria-hidden className="size-3.5 fill-current" />
        </button>
      ) : (
        <button
          type="submit"
          aria-label={t.send}
          title={t.sendHint}
          disabled={!canSend}
          className="grid size-9 shrink-0 place-items-center rounded-lg bg-accent text-accent-ink disabled:bg-sunken disabled:text-faint"
        >
          <ArrowUp aria-hidden className="size-4.5" />
        </button>
      )}
    </form>
  );
}
