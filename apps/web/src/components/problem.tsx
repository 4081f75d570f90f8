import { CircleX } from 'lucide-react';
import type { ReactNode } from 'react';

interface ProblemProps {
  title: ReactNode;
  /** Buttons. They may change, and a screen reader says an alert again when something in it does. */
  actions?: ReactNode;
  children?: ReactNode;
}

/** What happened, what it means, what to do. */
export function Problem({ title, actions, children }: ProblemProps) {
  return (
    <div className="rounded-md border border-bad/30 bg-bad-wash px-4 py-3 text-sm">
      <div role="alert">
        <p className="flex items-start gap-2 font-medium text-bad">
          <CircleX aria-hidden className="mt-0.5 size-4 shrink-0" />
          <span className="min-w-0 break-words">{title}</span>
        </p>
        {children && <div className="mt-2 space-y-2 pl-6 break-words text-soft">{children}</div>}
      </div>
      {actions && <div className="mt-3 flex flex-wrap gap-2 pl-6 empty:hidden">{actions}</div>}
    </div>
  );
}
