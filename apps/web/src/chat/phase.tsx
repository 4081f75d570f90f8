'use client';

import { LoaderCircle, WifiOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { formatDuration, formatRate } from '@/lib/format';
import type { Dictionary } from '@/lib/i18n/en';
import { useLangOf, useLocale, useWords } from '@/lib/i18n/provider';
import type { ClusterState } from './api-types';
import { rateOf } from './reduce';
import type { AssistantMessage } from './types';

/** From then on people ask themselves whether it goes on: they are told for how long nothing came. */
const QUIET_S = 3;

interface PhaseProps {
  message: AssistantMessage;
  status: ClusterState;
}

/** What happens right now, so that a slow model never looks like a stuck one. */
export function Phase({ message, status }: PhaseProps) {
  const { phase: t } = useWords();
  const locale = useLocale();
  const langOf = useLangOf();
  const { offline, askedAt, firstTokenAt, samples, phase } = message;
  const writing = message.status === 'writing' && !phase;
  const lastAt = (writing && samples.at(-1)?.at) || null;
  const seconds = useSeconds(`${message.status} ${phase?.phase}`, lastAt);
  const Icon = offline ? WifiOff : LoaderCircle;
  const rate = lastAt === null ? null : rateOf(samples, lastAt + seconds * 1000);
  const prefill = phase?.phase === 'prefill' && phase.total ? phase : null;
  return (
    <div className="mt-2 text-sm text-faint tabular-nums" data-testid="phase">
      <p className="flex min-h-6 flex-wrap items-center gap-x-2">
        <Icon aria-hidden className={`size-4 ${offline ? '' : 'motion-safe:animate-spin'}`} />
        <span>{describe(message, status, t)}</span>
        {phase?.phase === 'waiting' && phase.reason && status.state !== 'loading' && !offline && (
          <span lang={langOf(phase.reason)}>{phase.reason}</span>
        )}
        {rate !== null && <span>{formatRate(rate, locale)}</span>}
        {askedAt !== null && firstTokenAt !== null && (
          <span>{t.first(formatDuration(firstTokenAt - askedAt, locale))}</span>
        )}
        {!offline && seconds >= QUIET_S && (
          <span>{writing ? t.quiet(seconds) : t.seconds(seconds)}</span>
        )}
      </p>
      {prefill && (
        <div className="mt-1 h-1 w-48 overflow-hidden rounded-full bg-sunken">
          <div
            className="h-full bg-accent"
            style={{ width: `${(100 * (prefill.done ?? 0)) / (prefill.total ?? 1)}%` }}
          />
        </div>
      )}
    </div>
  );
}

function describe(
  { offline, phase, status: state, accepted, text, thinking }: AssistantMessage,
  status: ClusterState,
  t: Dictionary['phase'],
): string {
  if (offline) return t.offline;
  if (state === 'writing' && !phase) return text === '' && thinking !== '' ? t.thinking : t.writing;
  if (!accepted) return t.sending;
  switch (phase?.phase) {
    case 'queued':
      return phase.ahead ? t.queuedBehind(phase.ahead) : t.queuedNext;
    case 'waiting':
      if (status.state === 'loading' && status.progress)
        return t.loading(loadingStep(status.progress, t));
      return t.waiting;
    case 'prefill':
      return phase.total ? t.readingOf(phase.done ?? 0, phase.total) : t.reading;
    case 'retry':
      return t.retry;
    default:
      return t.queued;
  }
}

/** What a worker does before it can answer, and how far it is. */
export const loadingStep = (
  { phase, percent }: NonNullable<Extract<ClusterState, { state: 'loading' }>['progress']>,
  t: Dictionary['phase'],
): string => (percent === null ? t.steps[phase] : `${t.steps[phase]}, ${percent}%`);

/** Seconds since `key` last changed, or since `since` (Unix ms). */
function useSeconds(key: string, since: number | null): number {
  const [seconds, setSeconds] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: counts again when the key changes
  useEffect(() => {
    const start = since ?? Date.now();
    const count = () => setSeconds(Math.floor((Date.now() - start) / 1000));
    count();
    const timer = setInterval(count, 1000);
    return () => clearInterval(timer);
  }, [key, since]);
  return seconds;
}
