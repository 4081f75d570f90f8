'use client';

import { useEffect, useMemo, useState } from 'react';
import { Problem } from '@/components/problem';
import { formatBytes, formatCount, formatDuration } from '@/lib/format';
import type { Statistics, View } from '@/tensor/messages';
import { HeatmapView } from './heatmap';
import { Histogram } from './histogram';
import { type StoredTensor, useTensorView } from './use-tensor-view';

/** Read without being asked: a second or two on a usual line. Larger tensors are sampled first. */
const UNASKED_BYTES = 8 * 2 ** 20;

/** Statistics, histogram and heatmap, decoded in this browser from ranges of the stored bytes. */
export function TensorView({ tensor }: { tensor: StoredTensor }) {
  const whole = useMemo(() => wholeOf(tensor.shape), [tensor.shape]);
  const [all, setAll] = useState(false);
  const { shown, progress, failure, read } = useTensorView(tensor);
  const [view, setView] = useState<View>(whole);
  useEffect(() => {
    read(view, all ? Number.POSITIVE_INFINITY : UNASKED_BYTES);
  }, [read, view, all]);
  if (failure && !shown) {
    return (
      <Problem title="The weights could not be read.">
        <p>{failure}</p>
        <button type="button" className="link" onClick={() => read(view, UNASKED_BYTES)}>
          Try again
        </button>
      </Problem>
    );
  }
  if (!shown) return <Reading progress={progress ?? 0} />;
  const rows = shown.view.rows[1] - shown.view.rows[0];
  return (
    <div aria-busy={progress !== null}>
      <p className="mb-3 text-sm text-soft" role="status">
        {progress !== null
          ? `Reading, ${Math.round(progress * 100)} %.`
          : `${formatBytes(shown.bytes)} read and decoded in ${formatDuration(shown.ms)} by the decoder that the engine uses, as served and not checked here: Verify does that.`}
        {shown.rowsRead < rows && (
          <>
            {' '}
            A sample: {formatCount(shown.rowsRead)} of {formatCount(rows)} rows.{' '}
            <button type="button" className="link" onClick={() => setAll(true)}>
              Read all {formatBytes(tensor.byteLength)}
            </button>
          </>
        )}
      </p>
      {failure && (
        <p className="mb-3 text-sm text-bad">The last part could not be read: {failure}</p>
      )}
      <div className="grid gap-8 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <HeatmapView
          heatmap={shown.heatmap}
          shown={shown.view}
          view={view}
          whole={whole}
          onView={setView}
        />
        <div>
          <StatisticsTable statistics={shown.statistics} />
          <Histogram statistics={shown.statistics} />
        </div>
      </div>
    </div>
  );
}

/** A vector is one row. */
function wholeOf(shape: readonly number[]): View {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.reduce((product, size) => product * size, 1) / columns;
  return { rows: [0, rows], columns: [0, columns] };
}

function Reading({ progress }: { progress: number }) {
  return (
    <div role="status" aria-label="Reading the weights">
      <p className="mb-3 text-sm text-soft">Reading, {Math.round(progress * 100)} %.</p>
      <div className="grid gap-8 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <div className="skeleton h-80" />
        <div className="skeleton h-80" />
      </div>
    </div>
  );
}

function StatisticsTable({ statistics }: { statistics: Statistics }) {
  const { count, min, max, mean, deviation, zeros } = statistics;
  const rows: [string, string][] = [
    ['Weights', formatCount(count)],
    ['Smallest', value(min)],
    ['Largest', value(max)],
    ['Mean', value(mean)],
    ['Standard deviation', value(deviation)],
    ['Zeros', `${formatCount(zeros)} (${((100 * zeros) / count).toFixed(2)} %)`],
  ];
  return (
    <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-6 gap-y-1 text-sm tabular-nums">
      {rows.map(([name, text]) => (
        <div key={name} className="contents">
          <dt className="text-faint">{name}</dt>
          <dd className="text-right">{text}</dd>
        </div>
      ))}
    </dl>
  );
}

const value = (x: number) => (x === 0 ? '0' : x.toPrecision(4));
