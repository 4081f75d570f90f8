'use client';

import { useWords } from '@/lib/i18n/provider';
import { isOpen, type Message } from './types';

/** Says to screen readers that an answer begins and ends; the tokens themselves stay silent. */
export function Announcer({ message }: { message: Message | undefined }) {
  const { announce: t } = useWords();
  const text = () => {
    // What was there when the page opened is no news; this page asked what it says it did.
    if (message?.role !== 'assistant' || !message.askedHere) return '';
    if (isOpen(message)) return t.start;
    if (message.status === 'failed') return t.failed;
    return message.finishReason === 'cancelled' ? t.stopped : t.done;
  };
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {text()}
    </p>
  );
}
