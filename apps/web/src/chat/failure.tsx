'use client';

import { TRPCClientError } from '@trpc/client';
import { toast } from 'sonner';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import type { AppRouter } from '@/server/trpc/root';
import { wordsOf } from './remedies';
import type { ChatProblem } from './types';

/** What the server said of a call that failed; null when it said nothing. */
export function answeredProblem(error: unknown): (ChatProblem & { status: number }) | null {
  if (!(error instanceof TRPCClientError)) return null;
  const { data, message } = error as TRPCClientError<AppRouter>;
  if (!data) return null;
  const { reason, code, retryAfterMs, httpStatus: status } = data;
  const retryAt = retryAfterMs ? { retryAt: Date.now() + retryAfterMs } : {};
  return { code: reason ?? code, message, status, ...retryAt };
}

/** In the reader's language where it has words for it, else as the server says it. */
export function FailureText({ error }: { error: unknown }) {
  const { problem: t } = useWords();
  const langOf = useLangOf();
  const answered = answeredProblem(error);
  if (!answered) return t.codes.no_answer.what;
  const words = wordsOf(answered.code, t.codes);
  return words ? words.what : <span lang={langOf(answered.message)}>{answered.message}</span>;
}

/** Says that something the reader asked for did not work. */
export function useFailed(): (error: unknown) => void {
  const { actions } = useWords();
  return (error) => {
    toast.error(actions.failed, { description: <FailureText error={error} /> });
  };
}
