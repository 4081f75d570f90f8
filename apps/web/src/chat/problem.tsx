'use client';

import { Button } from '@/components/button';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useWords } from '@/lib/i18n/provider';
import type { ClusterState } from './api-types';
import type { ChatProblem } from './types';

interface AnswerProblemProps {
  problem: ChatProblem;
  /** Null where it does not matter any more. */
  status: ClusterState | null;
  onRetry: (() => void) | undefined;
}

export function AnswerProblem({ problem, status, onRetry }: AnswerProblemProps) {
  const { problem: t } = useWords();
  const { code, message } = problem;
  // The command that is missing now; none when all is well again.
  const command = status?.state === 'unavailable' ? status.command : null;
  const tooLong = code === 'context_length_exceeded';
  return (
    <div className="mt-2">
      <Problem title={t.codes[code] ?? message}>
        {command && <Command>{command}</Command>}
        {status?.state === 'ready' && !tooLong && <p>{t.ready}</p>}
        {tooLong && <p>{t.tooLong}</p>}
        {onRetry && !tooLong && <Button onClick={onRetry}>{t.retry}</Button>}
      </Problem>
    </div>
  );
}
