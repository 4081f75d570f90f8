/** For tests only: a database of one's own on a running server. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { applyMigrations } from './migrate.ts';

export const MIGRATIONS_DIR = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

export interface TestDatabase extends AsyncDisposable {
  url: string;
}

/** `adminUrl`'s user must be allowed to CREATE DATABASE. Disposing drops the database. */
export async function createTestDatabase(adminUrl: string): Promise<TestDatabase> {
  const database = await createEmptyDatabase(adminUrl);
  try {
    await applyMigrations(database.url, MIGRATIONS_DIR);
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
  return database;
}

export async function createEmptyDatabase(adminUrl: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, `CREATE DATABASE ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    // FORCE: a test that failed may have left connections open.
    [Symbol.asyncDispose]: () => asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function asAdmin(adminUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
