'use client';

import { Bar, BarChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { CHART } from '@/components/chart';
import { formatCount } from '@/lib/format';
import type { Statistics } from '@/tensor/messages';

/** How many weights have which value. */
export function Histogram({ statistics: { bins, from, to, count } }: { statistics: Statistics }) {
  const width = (to - from) / Math.max(1, bins.length);
  const data = bins.map((weights, i) => ({ at: from + (i + 0.5) * width, weights }));
  if (data.length === 0) return null;
  const top = data.reduce((best, bin) => (bin.weights > best.weights ? bin : best));
  return (
    <figure className="mt-6">
      <figcaption className="mb-1 text-sm text-faint">
        Histogram: most weights ({((100 * top.weights) / count).toFixed(0)} %) are about{' '}
        {top.at.toPrecision(2)}
      </figcaption>
      <div aria-hidden className="h-48">
        <ResponsiveContainer width="100%" height="100%">
          <BarChart
            accessibilityLayer={false}
            data={data}
            barCategoryGap={1}
            margin={{ top: 4, right: 0, bottom: 0, left: 0 }}
          >
            <XAxis
              dataKey="at"
              tickFormatter={(at: number) => at.toPrecision(2)}
              interval="equidistantPreserveStart"
              {...CHART.axis}
            />
            <YAxis width={44} tickFormatter={(n: number) => short.format(n)} {...CHART.axis} />
            <Tooltip
              {...CHART.tooltip}
              labelFormatter={(at) => `about ${Number(at).toPrecision(3)}`}
              formatter={(weights) => [formatCount(Number(weights)), 'weights']}
            />
            <Bar dataKey="weights" fill="var(--accent)" isAnimationActive={false} />
          </BarChart>
        </ResponsiveContainer>
      </div>
    </figure>
  );
}

const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
