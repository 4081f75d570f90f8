'use client';

import { STEPS, type Step, type StepName } from '@blyan/chain/walk';
import { CircleCheck, CircleDashed, CircleX, LoaderCircle, Minus } from 'lucide-react';
import { useState } from 'react';
import { formatBytes, formatCount, formatDuration } from '@/lib/format';
import type { WalkTarget } from '@/verify/messages';
import { stepsOf, type WalkState } from '@/verify/walk-state';
import { SubjectText } from './subject';

type Mark = 'held' | 'busy' | 'failed' | 'open' | 'none';

const MARKS: Record<Mark, { icon: typeof Minus; className: string; word: string }> = {
  held: { icon: CircleCheck, className: 'text-accent', word: 'holds' },
  busy: { icon: LoaderCircle, className: 'text-warn motion-safe:animate-spin', word: 'running' },
  failed: { icon: CircleX, className: 'text-bad', word: 'failed' },
  open: { icon: CircleDashed, className: 'text-faint', word: 'not looked at' },
  none: { icon: Minus, className: 'text-faint', word: 'not needed here' },
};

function markOf(name: StepName, state: WalkState): Mark {
  if (state.failed?.step === name) return 'failed';
  if (state.phase === 'running' && state.progress?.step === name) return 'busy';
  if (state.sums[name]) return 'held';
  return state.phase === 'holds' ? 'none' : 'open';
}

/** One line for each kind of step, from the bytes down to the genesis. */
export function StepList({ state, target }: { state: WalkState; target: WalkTarget }) {
  const names = stepsOf(target);
  const all = state.failed && !names.includes(state.failed.step) ? [state.failed.step] : [];
  return (
    <ol className="mt-4 border-t text-sm" data-testid="verify-steps">
      {[...all, ...names].map((name) => {
        const mark = markOf(name, state);
        const { icon: Icon, className, word } = MARKS[mark];
        const sum = state.sums[name];
        return (
          <li
            key={name}
            data-step={name}
            data-mark={mark}
            className={`grid grid-cols-[1.25rem_minmax(0,1fr)] gap-x-2 border-b py-1.5 sm:grid-cols-[1.25rem_6rem_minmax(0,1fr)_auto] ${mark === 'failed' ? 'bg-bad-wash' : ''}`}
          >
            <Icon aria-hidden className={`mt-0.5 size-4 ${className}`} />
            <span className="font-medium">
              {name}
              <span className="sr-only">: {word}</span>
            </span>
            <span className="col-start-2 text-soft sm:col-start-3">
              {STEPS[name]}
              {mark === 'open' || mark === 'none' ? (
                <span className="text-faint"> ({word})</span>
              ) : null}
            </span>
            <span className="col-start-2 text-faint tabular-nums sm:col-start-4 sm:text-right">
              {sum && (
                <>
                  {formatCount(sum.held)}×{sum.bytes > 0 && `, ${formatBytes(sum.bytes)}`},{' '}
                  {formatDuration(sum.ms)}
                </>
              )}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

/** Every single step in the order in which it was taken. */
export function StepLog({ state }: { state: WalkState }) {
  const [open, setOpen] = useState(false);
  const { steps, count } = state;
  if (count === 0) return null;
  return (
    <details
      className="mt-3 text-sm"
      onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}
    >
      <summary className="text-soft hover:text-ink">
        All {formatCount(count)} steps, one by one
      </summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <section className="mt-2 max-h-96 overflow-auto" tabIndex={0} aria-label="Steps">
          <ol className="font-mono text-[0.8125rem]">
            {steps.map((step, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the list only grows at its end
              <LogLine key={i} step={step} />
            ))}
          </ol>
          {count > steps.length && (
            <p className="mt-1 text-faint">
              The first {formatCount(steps.length)} are listed; the others were checked just so.
            </p>
          )}
        </section>
      )}
    </details>
  );
}

function LogLine({ step }: { step: Step }) {
  return (
    <li className="flex gap-3 whitespace-nowrap py-0.5">
      <span className={step.ok ? 'text-accent' : 'text-bad'}>{step.ok ? 'ok' : 'FAILED'}</span>
      <span className="w-20 shrink-0">{step.step}</span>
      <span className="w-20 shrink-0 text-right text-faint">{step.ms.toFixed(1)} ms</span>
      <SubjectText subject={step.subject} />
    </li>
  );
}
