import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDb } from '@blyan/db/client';
import { applyMigrations } from '@blyan/db/migrate';
import { createEmptyDatabase, MIGRATIONS_DIR } from '@blyan/db/testing';
import { expect, inject, it } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { diffMigrations } from '../src/diff.ts';

const adminUrl = inject('databaseUrl');
const SCHEMA = fileURLToPath(new URL('../../../prisma/schema.prisma', import.meta.url));

interface Row {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}
async function recorded(url: string): Promise<Row[]> {
  const db = createDb(url);
  try {
    return await db.$queryRaw<Row[]>`
      SELECT migration_name, checksum, finished_at FROM _prisma_migrations ORDER BY started_at`;
  } finally {
    await db.$disconnect();
  }
}

it('the migrations lead exactly to schema.prisma', async () => {
  await using scratch = await createEmptyDatabase(adminUrl);
  expect(
    await diffMigrations(scratch.url, MIGRATIONS_DIR, await readFile(SCHEMA, 'utf8')),
  ).toBeNull();
});

it('a changed schema is seen as a difference', async () => {
  await using scratch = await createEmptyDatabase(adminUrl);
  const schema = `${await readFile(SCHEMA, 'utf8')}\nmodel Extra {\n  id Int @id\n}\n`;
  const sql = await diffMigrations(scratch.url, MIGRATIONS_DIR, schema);
  expect(sql).toContain('CREATE TABLE "Extra"');
});

it('applies once when several start together, with the checksums of the CLI', async () => {
  await using scratch = await createEmptyDatabase(adminUrl);
  const runs = await Promise.all([1, 2, 3].map(() => applyMigrations(scratch.url, MIGRATIONS_DIR)));
  const entries = await readdir(MIGRATIONS_DIR, { withFileTypes: true });
  const names = entries
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .sort();
  expect(runs.map((r) => r.length).sort()).toEqual([0, 0, names.length]);
  expect(await applyMigrations(scratch.url, MIGRATIONS_DIR)).toEqual([]);
  const rows = await recorded(scratch.url);
  expect(rows.map((r) => r.migration_name)).toEqual(names);
  for (const row of rows) {
    const sql = await readFile(join(MIGRATIONS_DIR, row.migration_name, 'migration.sql'));
    expect(row.checksum).toBe(createHash('sha256').update(sql).digest('hex'));
    expect(row.finished_at).not.toBeNull();
  }
});

it('runs a migration as a whole: semicolons in functions, nothing after an error', async () => {
  await using scratch = await createEmptyDatabase(adminUrl);
  const dir = await mkdtemp(join(tmpdir(), 'blyan-migrations-'));
  try {
    await writeFile(join(dir, 'migration_lock.toml'), 'provider = "postgresql"\n');
    const add = async (name: string, sql: string) => {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, 'migration.sql'), sql);
    };
    await add(
      '1_function',
      `CREATE FUNCTION two() RETURNS text AS $$ BEGIN RETURN 'a;b'; END; $$ LANGUAGE plpgsql;`,
    );
    expect(await applyMigrations(scratch.url, dir)).toEqual(['1_function']);
    await add('2_broken', 'CREATE TABLE half (id int); SELECT nonsense;');
    await expect(applyMigrations(scratch.url, dir)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('2_broken'),
    });
    const db = createDb(scratch.url);
    const tables = await db.$queryRaw`SELECT 1 FROM pg_tables WHERE tablename = 'half'`;
    await db.$disconnect();
    expect(tables).toEqual([]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

it('says which server cannot be reached', async () => {
  const url = 'postgresql://nobody@127.0.0.1:1/blyan';
  await expect(applyMigrations(url, MIGRATIONS_DIR)).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringContaining('127.0.0.1:1/blyan'),
  });
});
