'use client';

import { ShieldCheck, Square } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { Bytes } from '@/components/bytes';
import { State } from '@/components/state';
import { formatBytes, formatCount, formatDuration } from '@/lib/format';
import type { WalkTarget } from '@/verify/messages';
import { usePin } from '@/verify/pin';
import { useWalk } from '@/verify/use-walk';
import type { WalkState } from '@/verify/walk-state';
import { PinNote } from './pin-note';
import { StepFailure } from './step-failure';
import { StepList, StepLog } from './step-list';

interface VerifyPanelProps {
  /** What the button says it does, e.g. `Verify this block`. */
  label: string;
  target: WalkTarget;
  /** Genesis that the server names. */
  genesis: string | null;
}

/** Checks a target against the pinned genesis, in this browser, and shows every step of it. */
export function VerifyPanel({ label, target, genesis }: VerifyPanelProps) {
  const pin = usePin(genesis);
  const { state, start, stop } = useWalk();
  const running = state.phase === 'running';
  return (
    <section aria-label="Verification" className="rounded-md border bg-surface p-4">
      <div className="flex flex-wrap items-center gap-3">
        {running ? (
          <button type="button" onClick={stop} className={BUTTON}>
            <Square aria-hidden className="size-4" /> Cancel
          </button>
        ) : (
          <button
            type="button"
            disabled={!pin}
            onClick={() => pin && start(target, pin.genesis)}
            className={PRIMARY}
          >
            <ShieldCheck aria-hidden className="size-4" />
            {state.phase === 'idle' ? label : 'Verify again'}
          </button>
        )}
        <Outcome state={state} />
      </div>
      {state.phase === 'idle' && (
        <p className="mt-2 max-w-prose text-sm text-soft">
          Your browser downloads the bytes and checks every hash, signature and proof itself, from
          the genesis that it pinned. Nothing that this server says is believed.
        </p>
      )}
      {running && <Meter state={state} />}
      {state.failed && <StepFailure step={state.failed} />}
      {state.phase === 'crashed' && (
        <p role="alert" className="mt-3 text-sm text-bad">
          The check could not run: {state.message}
        </p>
      )}
      {state.phase !== 'idle' && state.phase !== 'crashed' && (
        <>
          <StepList state={state} target={target} />
          <StepLog state={state} />
        </>
      )}
      <PinNote pin={pin} named={genesis} />
    </section>
  );
}

const BUTTON =
  'inline-flex items-center gap-2 rounded-md border border-line-strong bg-surface px-3 py-1.5 text-sm font-medium hover:bg-sunken disabled:opacity-50';
const PRIMARY =
  'inline-flex items-center gap-2 rounded-md bg-accent px-3 py-1.5 text-sm font-medium text-accent-ink hover:opacity-90 disabled:opacity-50';

function Outcome({ state }: { state: WalkState }) {
  const { phase, verdict, count } = state;
  return (
    <div role="status" className="text-sm">
      {phase === 'running' && <State kind="busy">checking</State>}
      {phase === 'holds' && <State kind="good">verified: everything holds</State>}
      {phase === 'broken' && <State kind="bad">not verified: a step failed</State>}
      {phase === 'unanswered' && <State kind="warn">no verdict: the server did not answer</State>}
      {phase === 'stopped' && <State kind="open">stopped before the end</State>}
      {verdict && (
        <span className="ml-3 whitespace-nowrap text-soft tabular-nums" data-testid="verify-totals">
          {formatCount(count)} steps, <Bytes value={verdict.bytes} /> in{' '}
          {formatDuration(verdict.ms)}, {rate(verdict.bytes, verdict.ms)}
        </span>
      )}
    </div>
  );
}

const rate = (bytes: number, ms: number) =>
  ms < 1 ? 'at once' : `${(bytes / 1e3 / ms).toFixed(1)} MB/s`;

/** Progress with rate and time left, where the walk says how much there is. */
function Meter({ state: { progress, bytes } }: { state: WalkState }) {
  const ms = useElapsed();
  if (!progress) return <p className="mt-3 text-sm text-soft">Reading the signed heads.</p>;
  const { done, total, unit } = progress;
  const share = total > 0 ? done / total : 0;
  const left = share > 0.02 ? (ms / share) * (1 - share) : null;
  return (
    <div className="mt-3 text-sm text-soft">
      <progress
        aria-label="Progress of the verification"
        className="h-1.5 w-full accent-accent"
        value={done}
        max={total}
      />
      <p className="tabular-nums">
        {unit === 'bytes'
          ? `${formatBytes(done)} of ${formatBytes(total)}`
          : `${formatCount(done)} of ${formatCount(total)} blocks`}
        , {rate(Math.max(bytes, unit === 'bytes' ? done : 0), ms)}
        {left !== null && left > 1000 && `, ${formatDuration(left)} left`}
      </p>
    </div>
  );
}

/** Milliseconds since the component appeared. */
function useElapsed(): number {
  const began = useRef(0);
  const [ms, setMs] = useState(0);
  useEffect(() => {
    began.current = performance.now();
    const timer = setInterval(() => setMs(performance.now() - began.current), 250);
    return () => clearInterval(timer);
  }, []);
  return ms;
}
