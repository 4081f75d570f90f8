import { CircleCheck, CircleDashed, CircleX, LoaderCircle, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';

const STATES = {
  good: { icon: CircleCheck, className: 'text-accent' },
  open: { icon: CircleDashed, className: 'text-faint' },
  busy: { icon: LoaderCircle, className: 'text-warn' },
  warn: { icon: TriangleAlert, className: 'text-warn' },
  bad: { icon: CircleX, className: 'text-bad' },
} as const;

/** A state is always a word and an icon, never colour alone. */
export function State({ kind, children }: { kind: keyof typeof STATES; children: ReactNode }) {
  const { icon: Icon, className } = STATES[kind];
  return (
    <span className={`inline-flex items-start gap-1.5 ${className}`}>
      {/* Beside the first line, however many there are. */}
      <Icon
        aria-hidden
        className={`h-[1lh] w-4 shrink-0 ${kind === 'busy' ? 'motion-safe:animate-spin' : ''}`}
      />
      <span>{children}</span>
    </span>
  );
}
