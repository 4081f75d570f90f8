import { CircleX } from 'lucide-react';
import type { ReactNode } from 'react';

/** What happened, what it means, what to do. */
export function Problem({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div role="alert" className="rounded-md border border-bad/30 bg-bad-wash px-4 py-3 text-sm">
      <p className="flex items-start gap-2 font-medium text-bad">
        <CircleX aria-hidden className="mt-0.5 size-4 shrink-0" />
        <span className="min-w-0 break-words">{title}</span>
      </p>
      {children && <div className="mt-2 space-y-2 pl-6 break-words text-soft">{children}</div>}
    </div>
  );
}
