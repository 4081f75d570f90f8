/** Tables as CSV (RFC 4180), for whoever asks by `?format=csv` or by `Accept: text/csv`. */

export type Cell = string | number | bigint | null | undefined | readonly (string | number)[];

/** What a spreadsheet would run as a formula: names in blocks are written by strangers. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  const joined = Array.isArray(value) ? value.join('x') : String(value);
  const text = typeof value === 'string' && FORMULA.test(joined) ? `'${joined}` : joined;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function wantsCsv(request: Request, format: 'json' | 'csv' | undefined): boolean {
  if (format) return format === 'csv';
  const accept = request.headers.get('accept') ?? '';
  return /\btext\/csv\b/.test(accept) && !/\bapplication\/json\b/.test(accept);
}

/** @param next query string of the next page, for a `Link` header */
export function csvResponse<R>(
  columns: Record<string, (row: R) => Cell>,
  rows: readonly R[],
  next: string | null = null,
): Response {
  const lines = [
    Object.keys(columns).join(','),
    ...rows.map((row) =>
      Object.values(columns)
        .map((read) => cell(read(row)))
        .join(','),
    ),
  ];
  return new Response(`${lines.join('\r\n')}\r\n`, {
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'cache-control': 'public, max-age=5',
      // The same address gives JSON to others.
      vary: 'accept',
      ...(next ? { link: `<?${next}>; rel="next"` } : {}),
    },
  });
}

/** The query of the next page: that of this one with another cursor. */
export function nextQuery(request: Request, name: string, cursor: string | number): string {
  const params = new URL(request.url).searchParams;
  params.set(name, String(cursor));
  return params.toString();
}
