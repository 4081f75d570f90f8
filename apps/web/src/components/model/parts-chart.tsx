'use client';

import type { ModelDetails } from '@blyan/protocol/explorer';
import { Bar, BarChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { Bytes } from '@/components/bytes';
import { CHART } from '@/components/chart';
import { Empty } from '@/components/empty';
import { ScrollArea } from '@/components/scroll-area';
import { formatCount, formatParameters } from '@/lib/format';

type Parts = ModelDetails['parts'];

/** Where the weights of a model are: the table says what the bars show. */
export function PartsChart({ parts }: { parts: Parts }) {
  if (parts.length === 0) return <Empty>The layer blocks of this model are not here.</Empty>;
  const total = parts.reduce((sum, part) => sum + part.parameters, 0);
  const sorted = [...parts].sort((a, b) => b.parameters - a.parameters);
  const data = sorted.map((part) => ({ ...part, name: part.role }));
  return (
    <div className="grid items-start gap-8 lg:grid-cols-2">
      <div aria-hidden style={{ height: 26 * data.length + 30 }}>
        <ResponsiveContainer width="100%" height="100%">
          <BarChart
            accessibilityLayer={false}
            data={data}
            layout="vertical"
            margin={{ top: 0, right: 12, bottom: 0, left: 0 }}
          >
            <XAxis type="number" tickFormatter={formatParameters} {...CHART.axis} />
            <YAxis type="category" dataKey="name" width={144} interval={0} {...CHART.axis} />
            <Tooltip
              {...CHART.tooltip}
              formatter={(weights) => [formatCount(Number(weights)), 'weights']}
            />
            <Bar dataKey="parameters" fill="var(--accent)" isAnimationActive={false} barSize={14} />
          </BarChart>
        </ResponsiveContainer>
      </div>
      <ScrollArea label="Weights by part">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col">Format</th>
              <th scope="col" className="!text-right">
                Tensors
              </th>
              <th scope="col" className="!text-right">
                Weights
              </th>
              <th scope="col" className="!text-right">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((part) => (
              <tr key={`${part.role} ${part.format}`}>
                <td>{part.role}</td>
                <td>{part.format}</td>
                <td className="text-right">{formatCount(part.tensors)}</td>
                <td className="text-right">
                  {formatParameters(part.parameters)}{' '}
                  <span className="text-faint">
                    {((100 * part.parameters) / total).toFixed(1)} %
                  </span>
                </td>
                <td className="text-right text-soft">
                  <Bytes value={part.bytes} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
    </div>
  );
}
