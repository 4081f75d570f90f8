/** One line of the benchmark's output. */
export interface Result {
  name: string;
  value: number;
  unit: string;
  /** What it must keep to; missing it ends the command with 1. */
  bar?: { most: number } | { least: number };
}

export const keepsBar = ({ value, bar }: Result): boolean =>
  !bar || ('most' in bar ? value <= bar.most : value >= bar.least);

export const median = (values: number[]): number => quantile(values, 0.5);

/** Between the two nearest values, in proportion. NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const [below = Number.NaN, above = below] = sorted.slice(Math.floor(at));
  return below + (at - Math.floor(at)) * (above - below);
}

/** All figures, with what those with a bar had to keep to. */
export function barTable(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { name, value, unit, bar } = result;
    const wanted = !bar ? '' : 'most' in bar ? `at most ${bar.most}` : `at least ${bar.least}`;
    const verdict = !bar ? '' : keepsBar(result) ? 'kept' : 'MISSED';
    return [name, `${Number(value.toPrecision(4))} ${unit}`, wanted, verdict];
  });
  const head = ['figure', 'value', 'bar', ''];
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
