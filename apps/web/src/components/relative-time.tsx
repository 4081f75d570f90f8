'use client';

import { useEffect, useState } from 'react';
import { formatAgo, formatTime } from '@/lib/format';

const TICK_MS = 10_000;

/** Absolute until the browser runs, so that server and browser render the same. */
export function RelativeTime({ time }: { time: number }) {
  const [now, setNow] = useState<number | null>(null);
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <time
      dateTime={new Date(time).toISOString()}
      title={formatTime(time)}
      className="whitespace-nowrap"
    >
      {now === null ? formatTime(time) : formatAgo(time, now)}
    </time>
  );
}
