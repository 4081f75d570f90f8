/** How charts look, in both themes: recharts takes colours as attributes. */
export const CHART = {
  axis: {
    stroke: 'var(--line-strong)',
    tick: { fill: 'var(--ink-faint)', fontSize: 12 },
    tickLine: false,
  },
  tooltip: {
    cursor: { fill: 'var(--sunken)', stroke: 'var(--line-strong)' },
    contentStyle: {
      background: 'var(--surface)',
      border: '1px solid var(--line-strong)',
      borderRadius: 6,
      fontSize: 13,
      color: 'var(--ink)',
    },
    itemStyle: { color: 'var(--ink)' },
    labelStyle: { color: 'var(--ink-faint)' },
    isAnimationActive: false,
  },
} as const;
