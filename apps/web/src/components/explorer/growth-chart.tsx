'use client';

import type { ChainId } from '@blyan/protocol/ids';
import { useQuery } from '@tanstack/react-query';
import { Area, AreaChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { CHART } from '@/components/chart';
import { Empty } from '@/components/empty';
import { formatCount, formatTime } from '@/lib/format';
import { failureText, getJson } from '@/lib/rest';

interface Growth {
  points: { time: number; size: number }[];
}

/** A point about every ten pixels. */
const POINTS = 100;
const REFRESH_MS = 30_000;

/** How a chain grew from its first block to its last. */
export function GrowthChart({ chain }: { chain: ChainId }) {
  const growth = useQuery({
    queryKey: ['growth', chain],
    queryFn: ({ signal }) => getJson<Growth>(`/chain/${chain}/growth?points=${POINTS}`, signal),
    refetchInterval: REFRESH_MS,
  });
  if (growth.isPending) return <div className="skeleton h-44" role="status" aria-label="Loading" />;
  if (growth.isError) {
    return (
      <p role="alert" className="text-sm text-bad">
        {failureText(growth.error)}
      </p>
    );
  }
  const { points } = growth.data;
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 2 || first.time === last.time) {
    return <Empty>A chart needs two blocks that were written at different times.</Empty>;
  }
  return (
    <figure>
      <figcaption className="mb-1 text-sm text-faint">
        Blocks over time: {formatCount(first.size)} at {formatTime(first.time)},{' '}
        {formatCount(last.size)} at {formatTime(last.time)}.{' '}
        <a className="link" href={`/chain/${chain}/growth?format=csv&points=${POINTS}`} download>
          CSV
        </a>
      </figcaption>
      <div aria-hidden className="h-44">
        <ResponsiveContainer width="100%" height="100%">
          <AreaChart
            accessibilityLayer={false}
            data={points}
            margin={{ top: 6, right: 8, bottom: 0, left: 0 }}
          >
            <XAxis
              dataKey="time"
              type="number"
              domain={['dataMin', 'dataMax']}
              tickFormatter={(time: number) => tick(time, last.time - first.time)}
              minTickGap={60}
              {...CHART.axis}
            />
            <YAxis width={48} allowDecimals={false} {...CHART.axis} />
            <Tooltip
              {...CHART.tooltip}
              labelFormatter={(time) => formatTime(Number(time))}
              formatter={(size) => [formatCount(Number(size)), 'blocks']}
            />
            <Area
              type="stepAfter"
              dataKey="size"
              stroke="var(--accent)"
              fill="var(--accent-wash)"
              strokeWidth={2}
              isAnimationActive={false}
            />
          </AreaChart>
        </ResponsiveContainer>
      </div>
    </figure>
  );
}

/** The day, or the time of day where all is of one. */
function tick(time: number, span: number): string {
  const text = new Date(time).toISOString();
  return span > 2 * 86_400_000 ? text.slice(0, 10) : text.slice(11, 19);
}
