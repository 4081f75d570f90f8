import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** A reader has the end of an answer before its row is written, by milliseconds. */
const ENDING_MS = 10_000;

/** Requests that the database has as not ended, some time after their answers have. */
export async function openRequests(db: pg.Pool): Promise<number> {
  const until = performance.now() + ENDING_MS;
  for (;;) {
    const { rows } = await db.query<{ open: number }>(
      `SELECT count(*)::int AS open FROM "Request" WHERE status IN ('queued', 'running')`,
    );
    const open = rows[0]?.open ?? 0;
    if (open === 0 || performance.now() > until) return open;
    await sleep(100);
  }
}
