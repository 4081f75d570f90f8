'use client';

import { use, useEffect, useState } from 'react';
import { Button } from '@/components/button';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import type { ClusterState } from './api-types';
import { ChatContext } from './chat-context';
import { remedyOf, wordsOf } from './remedies';
import type { ChatProblem } from './types';

/** Codes whose time says when it is the reader's turn again. With all others it is a guess of the server's. */
const TIMED: ReadonlySet<string> = new Set(['rate_limit_exceeded', 'queue_full']);

interface AnswerProblemProps {
  problem: ChatProblem;
  /** Null where it does not matter any more. */
  status: ClusterState | null;
  /** `whole`: from the question on, in place of a part that cannot go on. */
  onRetry: ((whole: boolean) => void) | undefined;
}

export function AnswerProblem({ problem, status, onRetry }: AnswerProblemProps) {
  const { problem: t, list, settings } = useWords();
  // Readers of a shared conversation have none.
  const chat = use(ChatContext);
  const langOf = useLangOf();
  const { code, message, retryAt } = problem;
  const words = wordsOf(code, t.codes);
  const remedy = remedyOf(code);
  const waits = useSecondsUntil(TIMED.has(code) ? retryAt : undefined);
  // The command that is missing now; none when all is well again.
  const command = status?.state === 'unavailable' ? status.command : null;
  const well = status?.state === 'ready' && isOfWorkers(code);
  const said = <span lang={langOf(message)}>{message}</span>;
  const actions = (
    <>
      {remedy.does === 'fresh' && chat && (
        <Button onClick={() => chat.goTo(null)}>{list.fresh}</Button>
      )}
      {remedy.does === 'parameters' && chat && (
        <Button onClick={() => chat.show({ kind: 'settings' })}>{settings.open}</Button>
      )}
      {remedy.does !== 'fresh' && onRetry && (
        <Button disabled={waits > 0} onClick={() => onRetry(remedy.whole === true)}>
          {waits > 0 ? t.retryIn(waits) : t.retry}
        </Button>
      )}
    </>
  );
  return (
    <div className="mt-2">
      <Problem title={words?.what ?? said} actions={actions}>
        {words && remedy.words && (
          <p>
            {t.server} {said}
          </p>
        )}
        {well ? <p>{t.ready}</p> : words && chat && <p>{words.todo}</p>}
        {command && <Command>{command}</Command>}
      </Problem>
    </div>
  );
}

const isOfWorkers = (code: string): boolean =>
  /^(no_worker|model_not_served|model_unavailable|coordinator_unavailable)$/.test(code);

/** Counts down to 0. */
function useSecondsUntil(time: number | undefined): number {
  const left = () => (time === undefined ? 0 : Math.max(0, Math.ceil((time - Date.now()) / 1000)));
  const [seconds, setSeconds] = useState(left);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `left` is of `time`
  useEffect(() => {
    setSeconds(left());
    if (left() === 0) return;
    const timer = setInterval(() => {
      setSeconds(left());
      if (left() === 0) clearInterval(timer);
    }, 1000);
    return () => clearInterval(timer);
  }, [time]);
  return seconds;
}
