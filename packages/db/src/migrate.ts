import pg from 'pg';
import { DbError } from './errors.ts';
import { loadMigrations, NO_FILTERS, withSchemaEngine } from './schema-engine.ts';

/** Any number that is ours; the engine's own lock has another one and does not wait long enough. */
const MIGRATION_LOCK = 0x626c79616e;
/** Somebody else's migration may rewrite a big table. */
const LOCK_TIMEOUT_MS = 10 * 60 * 1000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Applies what is in `dir` (prisma/migrations) and not yet in the database. Several processes may
 * call it at once: one applies, the others wait and find nothing to do.
 * @returns the names of the migrations that this call applied
 */
export async function applyMigrations(url: string, dir: string): Promise<string[]> {
  const migrationsList = await loadMigrations(dir);
  const lock = await connect(url);
  try {
    await lock.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await withSchemaEngine(url, async (engine) => {
      const input = { migrationsList, filters: NO_FILTERS };
      return (await engine.applyMigrations(input)).appliedMigrationNames;
    });
  } catch (error) {
    if (error instanceof DbError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DbError(
      'MIGRATION_FAILED',
      `The migrations of ${dir} failed: ${reason}`,
      { dir },
      error,
    );
  } finally {
    // Ends the session, and with it the advisory lock.
    await lock.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A connection that breaks later rejects its queries; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    const { host, port, database } = client;
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw new DbError(
      'DATABASE_UNREACHABLE',
      `PostgreSQL at ${host}:${port}/${database} cannot be reached: ${reason}. Check DATABASE_URL.`,
      { host, port, database },
      error,
    );
  }
}
