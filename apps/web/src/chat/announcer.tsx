'use client';

import type { AssistantMessage, Message } from './types';

const TEXT: Record<AssistantMessage['status'], string> = {
  waiting: 'Answering',
  writing: 'Answering',
  done: 'The answer is finished',
  failed: 'The answer failed',
};

/** Says to screen readers that an answer begins and ends; the tokens themselves stay silent. */
export function Announcer({ message }: { message: Message | undefined }) {
  const text = message?.role === 'assistant' ? TEXT[message.status] : '';
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {text}
    </p>
  );
}
