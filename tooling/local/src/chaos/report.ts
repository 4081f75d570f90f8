/** What a run has shown, for people and for programs. */
import type { LoadResult } from './load.ts';

/** After a kill on a machine that has time for it; how often it took longer is said. */
const PROMISED_MS = 5000;

export interface FaultRecord {
  kind: string;
  /** Seconds from the start of the faults. */
  at: number;
  /** Until the last of the answers that were being written had a token again; null: none was. */
  recoveryMs: number | null;
}

export interface Report {
  seed: number;
  minutes: number;
  workers: number;
  requests: number;
  checked: number;
  equal: number;
  moved: number;
  wrong: string[];
  failed: Record<string, number>;
  lost: string[];
  doubled: string[];
  /** Requests that the database still has as open, after the load. */
  open: number;
  lateCounts: boolean;
  faults: Record<string, number>;
  recovery: { p50Ms: number | null; p99Ms: number | null; worstMs: number | null; late: number };
  records: FaultRecord[];
}

export interface RunFacts {
  seed: number;
  minutes: number;
  workers: number;
  open: number;
  /** Whether a recovery that takes longer than is promised is a broken promise: nothing but workers was killed. */
  lateCounts: boolean;
}

export function reportOf(facts: RunFacts, load: LoadResult, records: FaultRecord[]): Report {
  const { asked, equal, moved, wrong, doubled, lost, failed } = load;
  const faults: Record<string, number> = {};
  for (const { kind } of records) faults[kind] = (faults[kind] ?? 0) + 1;
  const times = records.flatMap(({ recoveryMs }) => recoveryMs ?? []).sort((a, b) => a - b);
  const rank = (share: number) =>
    times.length === 0 ? null : Math.round(times[Math.ceil(share * times.length) - 1]!);
  return {
    ...facts,
    requests: asked,
    checked: asked - lost.length,
    equal,
    moved,
    wrong,
    failed,
    lost,
    doubled,
    faults,
    recovery: {
      p50Ms: rank(0.5),
      p99Ms: rank(0.99),
      worstMs: rank(1),
      late: times.filter((ms) => ms > PROMISED_MS).length,
    },
    records,
  };
}

/** Whether every promise was kept. */
export function isGood(report: Report): boolean {
  const { wrong, failed, lost, doubled, open, lateCounts, recovery } = report;
  const broken = wrong.length + lost.length + doubled.length + open + Object.keys(failed).length;
  return broken + (lateCounts ? recovery.late : 0) === 0;
}

export function reportText(report: Report): string {
  const { requests, checked, equal, moved, wrong, lost, doubled, open, recovery } = report;
  const counts = (of: Record<string, number>) =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  return [
    `chaos: ${report.minutes} min, seed ${report.seed}, ${report.workers} workers`,
    `requests ${requests}, answers checked ${checked}, equal ${equal}, moved ${moved}`,
    `faults: ${counts(report.faults)}`,
    `recovery: p50 ${recovery.p50Ms} ms, p99 ${recovery.p99Ms} ms, worst ${recovery.worstMs} ms, over 5 s ${recovery.late}`,
    `lost ${lost.length + open}, doubled ${doubled.length}, wrong ${wrong.length}, failed: ${counts(report.failed)}`,
    ...[...lost, ...doubled, ...wrong].map((line) => `  ${line}`),
    isGood(report) ? 'every promise was kept' : 'NOT every promise was kept',
  ].join('\n');
}
