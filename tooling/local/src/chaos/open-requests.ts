import type pg from 'pg';

/** Requests that the database has as not ended. */
export async function openRequests(db: pg.Pool): Promise<number> {
  const { rows } = await db.query<{ open: number }>(
    `SELECT count(*)::int AS open FROM "Request" WHERE status IN ('queued', 'running')`,
  );
  return rows[0]?.open ?? 0;
}
