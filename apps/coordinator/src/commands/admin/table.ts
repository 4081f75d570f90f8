/** Rows for a terminal, columns padded to the widest value. */

/** `none` stands alone where there is no row. */
export function table<T extends object>(
  rows: readonly T[],
  columns: readonly (keyof T & string)[],
  none: string,
): string {
  if (rows.length === 0) return none;
  const lines = [columns, ...rows.map((row) => columns.map((name) => cell(row[name])))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((text, i) => text.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString().slice(0, 19).replace('T', ' ');
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(1) : String(value);
}
