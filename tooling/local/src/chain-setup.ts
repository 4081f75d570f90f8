/** Everything between a running database and running parts: migrations, keys, genesis, model. */
import path from 'node:path';
import pg from 'pg';
import { runCommand } from './command.ts';
import type { LocalEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { hubEnv, trustedEnv } from './parts.ts';
import type { Reporter } from './report.ts';

const EMBEDDED_MODEL = 'blyan-guide';

export interface SetupContext {
  root: string;
  env: LocalEnv;
  databaseUrl: string;
  redisUrl: string;
  logs: string;
  signal: AbortSignal;
}

export async function migrate(c: SetupContext, reporter: Reporter): Promise<void> {
  const { applyMigrations } = await import('@blyan/db/migrate');
  await reporter.step(
    'database schema',
    () => applyMigrations(c.databaseUrl, path.join(c.root, 'prisma', 'migrations')),
    (applied) =>
      applied.length === 0 ? 'database schema is current' : `${applied.length} migrations applied`,
  );
}

export const command = (c: SetupContext, name: string, args: string[], what: string) => ({
  what,
  command: process.execPath,
  args: [path.join(c.root, 'apps', 'coordinator', 'dist', 'commands', `${name}.js`), ...args],
  cwd: c.root,
  env: { ...trustedEnv(c), ...(name === 'model-import' && hubEnv(c.env.source)) },
  logFile: path.join(c.logs, `${name}.log`),
});

async function query<T extends pg.QueryResultRow>(
  url: string,
  sql: string,
): Promise<T | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows[0];
  } finally {
    await client.end();
  }
}

/** @returns the hash of chain A's genesis, hexadecimal: what a worker pins */
export async function initialise(c: SetupContext, reporter: Reporter): Promise<string> {
  return reporter.step(
    'keys and genesis',
    async () => {
      await runCommand(command(c, 'init', [], 'Creating keys and genesis blocks'), c);
      const row = await query<{ hash: string }>(
        c.databaseUrl,
        `SELECT encode(hash, 'hex') AS hash FROM "Block" WHERE chain = 'A' AND height = 0`,
      );
      if (!row) throw new LocalError('COMMAND_FAILED', 'There is no genesis block after `init`.');
      return row.hash;
    },
    (hash) => `chains begin at ${hash.slice(0, 8)}…${hash.slice(-6)}`,
  );
}

export async function importEmbeddedModel(c: SetupContext, reporter: Reporter): Promise<void> {
  const found = await query(
    c.databaseUrl,
    `SELECT 1 FROM "Block" WHERE chain = 'A' AND type = 'model' LIMIT 1`,
  );
  if (found) return;
  const dir = path.join(c.root, 'models', EMBEDDED_MODEL);
  await reporter.step(
    `importing ${EMBEDDED_MODEL}`,
    ({ update }) =>
      runCommand(
        command(c, 'model-import', [dir, '--name', EMBEDDED_MODEL], `Importing ${EMBEDDED_MODEL}`),
        { signal: c.signal, onLine: (line) => line.trim() && update(line.trim()) },
      ),
    () => `${EMBEDDED_MODEL} imported into the chains`,
  );
}
