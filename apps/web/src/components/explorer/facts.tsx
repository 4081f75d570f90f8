import type { ReactNode } from 'react';

/** A list of named values, each with an optional word on what it means. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="divide-y border-y text-sm">{children}</dl>;
}

interface FactProps {
  name: string;
  hint?: string;
  children: ReactNode;
}

export function Fact({ name, hint, children }: FactProps) {
  return (
    <div className="grid gap-x-6 gap-y-0.5 py-2 sm:grid-cols-[10rem_minmax(0,1fr)]">
      <dt className="text-faint" title={hint}>
        {name}
      </dt>
      <dd className="min-w-0">
        {children}
        {hint && <p className="mt-0.5 text-[0.8125rem] text-faint">{hint}</p>}
      </dd>
    </div>
  );
}
