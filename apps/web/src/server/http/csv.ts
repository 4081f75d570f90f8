/** Tables as CSV (RFC 4180), for whoever asks by `?format=csv` or by `Accept: text/csv`. */
import { MAX_ROWS } from '@blyan/protocol/explorer';

type Cell = string | number | bigint | null | undefined | readonly (string | number)[];

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

const line = (cells: readonly string[]): string => `${cells.join(',')}\r\n`;

const HEADERS = {
  'content-type': 'text/csv; charset=utf-8',
  'cache-control': 'public, max-age=5',
  // The same address gives JSON to others.
  vary: 'accept',
};

type Columns<R> = Record<string, (row: R) => Cell>;

const linesOf = <R>(columns: Columns<R>, rows: readonly R[]): string =>
  rows.map((row) => line(Object.values(columns).map((read) => cell(read(row))))).join('');

const head = <R>(columns: Columns<R>): string => line(Object.keys(columns));

export const csvResponse = <R>(columns: Columns<R>, rows: readonly R[]): Response =>
  new Response(head(columns) + linesOf(columns, rows), { headers: HEADERS });

interface List<Q, R> {
  columns: Columns<R>;
  querySchema: { parse(query: Record<string, string>): Q };
  /** Name of the parameter that a page's `next` is for. */
  cursor: string;
  read(query: Q): Promise<{ rows: readonly R[]; next: string | number | null }>;
}

/** A list as a table: the whole of it, or with `limit` a page, and the next one in the `Link` header. */
export async function csvOfList<Q, R>(request: Request, list: List<Q, R>): Promise<Response> {
  const { columns, querySchema, cursor, read } = list;
  const given = Object.fromEntries(new URL(request.url).searchParams);
  if (given.limit === undefined) return await wholeList(given, list);
  const { rows, next } = await read(querySchema.parse(given));
  const response = csvResponse(columns, rows);
  if (next !== null) {
    const query = new URLSearchParams({ ...given, [cursor]: `${next}` });
    response.headers.set('link', `<?${query}>; rel="next"`);
  }
  return response;
}

/** Rows of a whole list's first page, which its reader waits for; each later page has twice as many. */
const FIRST_ROWS = 50;

/** A list's lines page by page, each read when it is asked for: a chain's list may have a million. */
async function* pagesOf<Q, R>(
  given: Record<string, string>,
  { columns, querySchema, cursor, read }: List<Q, R>,
): AsyncGenerator<string, void> {
  let place = {};
  let lines = head(columns);
  for (let limit = FIRST_ROWS; ; limit = Math.min(2 * limit, MAX_ROWS)) {
    const page = await read(querySchema.parse({ ...given, ...place, limit: `${limit}` }));
    yield lines + linesOf(columns, page.rows);
    if (page.next === null) return;
    place = { [cursor]: `${page.next}` };
    lines = '';
  }
}

async function wholeList<Q, R>(given: Record<string, string>, list: List<Q, R>): Promise<Response> {
  const pages = pagesOf(given, list);
  // Before the answer begins, so that what is wrong with the query is still an error of its own.
  let first: string | undefined = (await pages.next()).value ?? '';
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const lines = first ?? (await pages.next()).value;
        first = undefined;
        if (lines === undefined) return controller.close();
        controller.enqueue(encoder.encode(lines));
      },
      async cancel() {
        await pages.return();
      },
    },
    // Nothing is read before it is wanted: the reader may have gone.
    { highWaterMark: 0 },
  );
  return new Response(stream, { headers: HEADERS });
}
