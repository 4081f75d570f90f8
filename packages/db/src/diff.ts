import { applyMigrations } from './migrate.ts';
import { NO_FILTERS, withSchemaEngine } from './schema-engine.ts';

/**
 * SQL that leads from the migrations in `dir` to `schema`; null when they agree.
 * @param scratchUrl an empty database; the migrations are applied to it
 */
export async function diffMigrations(
  scratchUrl: string,
  dir: string,
  schema: string,
): Promise<string | null> {
  await applyMigrations(scratchUrl, dir);
  const files = [{ path: 'schema.prisma', content: schema }];
  const diff = await withSchemaEngine(
    scratchUrl,
    (engine) =>
      engine.diff({
        from: { tag: 'schemaDatasource', files, configDir: '.' },
        to: { tag: 'schemaDatamodel', files },
        script: true,
        exitCode: true,
        filters: NO_FILTERS,
      }),
    schema,
  );
  // 2 says that there is a difference.
  return diff.exitCode === 2 ? diff.stdout : null;
}
