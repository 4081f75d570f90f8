import type { ReactNode } from 'react';

/** What would be here. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className="rounded-md border border-dashed px-4 py-6 text-sm text-soft">{children}</p>;
}

/** Lines of a list that is being read. */
export function SkeletonRows({ count = 5 }: { count?: number }) {
  return (
    <div role="status" aria-label="Loading" className="space-y-2 py-2">
      {Array.from({ length: count }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: all are the same
        <div key={i} className="skeleton h-8 w-full" />
      ))}
    </div>
  );
}
