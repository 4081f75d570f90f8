/**
 * Pages by key: a cursor is the place of the last row, so that the next page costs the same however far
 * it is, and nothing is shown twice when rows are added.
 */
import { Prisma } from './client.ts';

export type Order = 'asc' | 'desc';

/** Where a page ended: the value that was sorted by, and the row's own number. */
export interface Cursor {
  key: string | number;
  id: number;
}

/** `AND (key, id) > (...)`, or nothing on the first page. Both columns go the same way. */
export function after(
  key: Prisma.Sql,
  id: Prisma.Sql,
  order: Order,
  cursor: Cursor | null,
): Prisma.Sql {
  if (!cursor) return Prisma.empty;
  const sign = order === 'asc' ? Prisma.sql`>` : Prisma.sql`<`;
  return Prisma.sql`AND (${key}, ${id}) ${sign} (${cursor.key}, ${cursor.id})`;
}

export const by = (key: Prisma.Sql, id: Prisma.Sql, order: Order): Prisma.Sql =>
  order === 'asc'
    ? Prisma.sql`ORDER BY ${key} ASC, ${id} ASC`
    : Prisma.sql`ORDER BY ${key} DESC, ${id} DESC`;

/** Of `limit` + 1 rows the page, and the cursor behind it when there is more. */
export function page<R>(
  rows: R[],
  limit: number,
  place: (row: R) => Cursor,
): { rows: R[]; next: Cursor | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last ? place(last) : null };
}

/** Words of a name as the indexes have them, each found by its beginning; null without any word. */
export function wordQuery(text: string): string | null {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  // 16: no name has more that would tell it from another one.
  return words.length === 0
    ? null
    : words
        .slice(0, 16)
        .map((word) => `${word}:*`)
        .join(' & ');
}

/** The expression of the two indexes over words, in the very form of the migration. */
export const hasWords = (column: Prisma.Sql, query: string): Prisma.Sql =>
  Prisma.sql`to_tsvector('simple', translate(${column}, '._-/:', '     ')) @@ to_tsquery('simple', ${query})`;
