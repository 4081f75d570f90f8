/** For tests only: a database of one's own on a running server. */
import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { applyMigrations } from './migrate.ts';
import { loadMigrations } from './schema-engine.ts';

export const MIGRATIONS_DIR = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

export interface TestDatabase extends AsyncDisposable {
  url: string;
}

/** Any number that is ours: tests that begin at the same time make one template. */
const TEMPLATE_LOCK = 0x74706c74;

/**
 * A migrated database. `adminUrl`'s user must be allowed to CREATE DATABASE. Disposing drops it.
 * Migrations run once a server, on a template: a copy takes a fifth of their time.
 */
export async function createTestDatabase(adminUrl: string): Promise<TestDatabase> {
  return createFrom(adminUrl, `TEMPLATE ${await template(adminUrl)}`);
}

export const createEmptyDatabase = (adminUrl: string): Promise<TestDatabase> =>
  createFrom(adminUrl, '');

/** @returns the name of the template of these migrations, made by whoever comes first */
async function template(adminUrl: string): Promise<string> {
  const migrations = JSON.stringify((await loadMigrations(MIGRATIONS_DIR)).migrationDirectories);
  const hash = createHash('sha256').update(migrations).digest('hex').slice(0, 16);
  const name = `test_template_${hash}`;
  await asAdmin(adminUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const sql = 'SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate';
    if ((await client.query(sql, [name])).rowCount !== 0) return;
    // One whose maker was killed.
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
    await applyMigrations(urlOf(adminUrl, name), MIGRATIONS_DIR);
    // A database with connections cannot be copied.
    await client.query(`ALTER DATABASE ${name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  });
  return name;
}

async function createFrom(adminUrl: string, options: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, (client) => client.query(`CREATE DATABASE ${name} ${options}`));
  return {
    url: urlOf(adminUrl, name),
    // FORCE: a test that failed may have left connections open.
    [Symbol.asyncDispose]: () =>
      asAdmin(adminUrl, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Ends the session behind `work`, and with it its locks. */
async function asAdmin<T>(adminUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
