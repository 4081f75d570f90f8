'use client';

import { RotateCcw } from 'lucide-react';
import { memo } from 'react';
import { CopyButton } from '@/components/copy-button';
import type { ClusterState } from './api-types';
import { Markdown } from './markdown';
import { Phase } from './phase';
import { AnswerProblem } from './problem';
import { ProvenanceLine } from './provenance-line';
import { type AssistantMessage, isOpen } from './types';

interface AnswerProps {
  message: AssistantMessage;
  status: ClusterState;
  onRegenerate: (() => void) | undefined;
}

export const Answer = memo(function Answer({ message, status, onRegenerate }: AnswerProps) {
  const { text, thinking, problem, provenance, finishReason } = message;
  const open = isOpen(message);
  return (
    <article aria-label="Answer" aria-busy={open}>
      {thinking !== '' && (
        <details className="mb-3 text-sm text-soft">
          <summary>Thinking</summary>
          <p className="mt-1 border-l-2 pl-3 whitespace-pre-wrap">{thinking}</p>
        </details>
      )}
      {text !== '' && <Markdown text={text} streaming={open} />}
      {open && <Phase message={message} status={status} />}
      {finishReason === 'length' && (
        <p className="mt-2 text-sm text-warn">Cut at the length limit.</p>
      )}
      {finishReason === 'cancelled' && <p className="mt-2 text-sm text-faint">Stopped.</p>}
      {problem && <AnswerProblem problem={problem} status={status} />}
      {!open && (
        <footer className="mt-2 flex flex-wrap items-center gap-x-2 gap-y-1">
          {provenance && <ProvenanceLine provenance={provenance} />}
          <span className="-ml-2 flex sm:ml-auto">
            {text !== '' && <CopyButton text={text} label="Copy answer" />}
            {onRegenerate && (
              <button
                type="button"
                className="icon-button"
                aria-label="Regenerate"
                title="Ask again for another answer"
                onClick={onRegenerate}
              >
                <RotateCcw aria-hidden className="size-4" />
              </button>
            )}
          </span>
        </footer>
      )}
    </article>
  );
});
