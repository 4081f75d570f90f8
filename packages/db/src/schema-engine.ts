/**
 * Prisma's schema engine as WebAssembly: the code behind `prisma migrate`, without the binary that
 * the CLI would download. It writes the same `_prisma_migrations` table with the same checksums.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

export const NO_FILTERS = { externalTables: [], externalEnums: [] };
const CONNECT_TIMEOUT_MS = 10_000;

/** Runs `work` with an engine on the database. `schema` is needed by commands that compare with it. */
export async function withSchemaEngine<T>(
  url: string,
  work: (engine: SchemaEngine) => Promise<T>,
  schema?: string,
): Promise<T> {
  const module = await loadEngine();
  const pool = new pg.Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    Client: EngineClient,
    max: 2,
  });
  try {
    const engine = await module.SchemaEngine.new(
      { datamodels: schema === undefined ? undefined : [['schema.prisma', schema]] },
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(adapter(pool, url)),
    );
    try {
      return await work(engine);
    } finally {
      engine.free();
    }
  } finally {
    await pool.end();
  }
}

function adapter(pool: pg.Pool, url: string): PrismaPg {
  const schema = new URL(url).searchParams.get('schema');
  const factory = new PrismaPg(pool, schema === null ? {} : { schema });
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const connection = await connect();
    // The adapter splits scripts at every semicolon, also in strings and function bodies, and runs
    // the pieces one by one. As one simple query, a migration is whole or not there at all.
    connection.executeScript = async (script) => {
      await pool.query(script);
    };
    const queryRaw = connection.queryRaw.bind(connection);
    connection.queryRaw = async (query) => {
      const result = await queryRaw(query);
      const columnTypes = result.columnTypes.map((type) =>
        type === ColumnTypeEnum.Uuid ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return connection;
  };
  return factory;
}

/**
 * PostgreSQL's one-byte type "char", in which its catalogs keep flags. The adapter refuses it, so it
 * passes as a UUID, which no catalog holds, and becomes what the engine expects behind the adapter.
 */
const CATALOG_CHAR = 18;
const STAND_IN = 2950;

class EngineClient extends pg.Client {
  // The overloads of `query` are many; all that matters here is where its result comes out.
  // biome-ignore lint/suspicious/noExplicitAny: passed on as they are
  override query(...args: any[]): any {
    const last = args.at(-1);
    if (typeof last === 'function') {
      args[args.length - 1] = (error: Error | null, result: unknown) =>
        last(error, readable(result));
    }
    const running: unknown = Reflect.apply(super.query, this, args);
    return running instanceof Promise ? running.then(readable) : running;
  }
}

function readable<T>(result: T): T {
  if (typeof result === 'object' && result !== null && 'fields' in result) {
    for (const field of result.fields as pg.FieldDef[]) {
      if (field.dataTypeID === CATALOG_CHAR) field.dataTypeID = STAND_IN;
    }
  }
  return result;
}

type Engine = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');
// The glue code of wasm-bindgen keeps one instance in its module: a second one would read the
// memory of the first through stale views.
let loading: Promise<Engine> | undefined;

function loadEngine(): Promise<Engine> {
  loading ??= instantiate();
  return loading;
}

async function instantiate(): Promise<Engine> {
  const engine = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  // The engine hands the message of a panic to this global before it traps.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: throwPanic } });
  // Node 20 cannot import a .wasm file, which is all that the package's own entry does.
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, {
    './schema_engine_bg.js': engine as unknown as WebAssembly.ModuleImports,
  });
  engine.__wbg_set_wasm(instance.exports);
  const start = instance.exports.__wbindgen_start;
  if (typeof start === 'function') start();
  return engine;
}

function throwPanic(message: string): never {
  throw new Error(`the schema engine failed: ${message}`);
}

/** Reads `<dir>/<name>/migration.sql` in the order of the names, as the CLI does. */
export async function loadMigrations(dir: string): Promise<MigrationList> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return {
    baseDir: dir,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(dir, 'migration_lock.toml'), 'utf8').catch(() => null),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.sort().map(async (name) => ({
        path: name,
        migrationFile: { path: 'migration.sql', content: await readSql(join(dir, name)) },
      })),
    ),
  };
}

async function readSql(dir: string) {
  try {
    return { tag: 'ok' as const, value: await readFile(join(dir, 'migration.sql'), 'utf8') };
  } catch (error) {
    return { tag: 'error' as const, value: String(error) };
  }
}
