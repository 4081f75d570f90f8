'use client';

import { useRouter } from 'next/navigation';
import { useEffect } from 'react';

/** For a page that a server component made of something unfinished: it is made again, until it leaves this out. */
export function Refresh({ everyMs }: { everyMs: number }) {
  const router = useRouter();
  useEffect(() => {
    const timer = setInterval(() => router.refresh(), everyMs);
    return () => clearInterval(timer);
  }, [router, everyMs]);
  return null;
}
