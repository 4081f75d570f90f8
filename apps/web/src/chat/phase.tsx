'use client';

import { LoaderCircle, WifiOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { formatRate } from '@/lib/format';
import type { ClusterState } from './api-types';
import type { AssistantMessage } from './types';

interface PhaseProps {
  message: AssistantMessage;
  status: ClusterState;
}

/** What happens right now, so that a slow model never looks like a stuck one. */
export function Phase({ message, status }: PhaseProps) {
  const seconds = useSeconds(message.status);
  const { offline, firstTokenAt, tokens } = message;
  const Icon = offline ? WifiOff : LoaderCircle;
  const rate =
    firstTokenAt === null || seconds < 1 ? null : tokens / ((Date.now() - firstTokenAt) / 1000);
  return (
    <p className="mt-2 flex min-h-6 items-center gap-2 text-sm text-faint tabular-nums">
      <Icon aria-hidden className={`size-4 ${offline ? '' : 'motion-safe:animate-spin'}`} />
      <span>{describe(message, status)}</span>
      {rate !== null && Number.isFinite(rate) && <span>{formatRate(rate)}</span>}
      {message.status === 'waiting' && seconds >= 3 && <span>{seconds} s</span>}
    </p>
  );
}

function describe(
  { offline, phase, status: state, accepted }: AssistantMessage,
  status: ClusterState,
) {
  if (offline) return 'The connection broke. Trying again; nothing is lost.';
  if (state === 'writing' && !phase) return 'Writing';
  if (!accepted) return 'Sending';
  switch (phase?.phase) {
    case 'queued':
      return phase.ahead ? `Queued behind ${phase.ahead}` : 'Queued, next in line';
    case 'waiting':
      if (status.state === 'loading' && status.progress)
        return `The worker is loading the model: ${status.progress}`;
      return phase.reason ?? 'Waiting for a worker';
    case 'prefill':
      return phase.total
        ? `Reading the prompt, ${phase.done ?? 0} of ${phase.total} tokens`
        : 'Reading the prompt';
    case 'retry':
      return 'The worker was lost; going on with another one';
    default:
      return 'Queued';
  }
}

/** Seconds since `key` last changed. */
function useSeconds(key: string): number {
  const [seconds, setSeconds] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: counts from 0 again when the key changes
  useEffect(() => {
    const start = Date.now();
    setSeconds(0);
    const timer = setInterval(() => setSeconds(Math.floor((Date.now() - start) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [key]);
  return seconds;
}
