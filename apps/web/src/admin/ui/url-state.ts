'use client';

import { usePathname, useSearchParams } from 'next/navigation';

/** What a page shows is in its address, so that it can be sent on and comes back with a reload. */
export function useUrlState<N extends string>(names: readonly N[]) {
  const search = useSearchParams();
  const path = usePathname();
  const values = Object.fromEntries(names.map((name) => [name, search.get(name) ?? ''])) as Record<
    N,
    string
  >;
  const set = (changes: Partial<Record<N, string>>) => {
    const next = new URLSearchParams(search);
    for (const [name, value] of Object.entries<string | undefined>(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    const text = next.toString();
    // Without asking the server: the data are here.
    window.history.replaceState(null, '', text ? `${path}?${text}` : path);
  };
  return [values, set] as const;
}
