/** The one-shot `init` service of docker-compose.yml: migrations, keys, genesis, the embedded model. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { importEmbeddedModel, initialise, migrate } from './chain-setup.ts';
import { localUrl, readEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { prepareDataDir } from './preflight.ts';
import { createReporter } from './report.ts';
import { setupLink } from './setup-link.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const reporter = createReporter(process.stdout, process.env);

async function main(): Promise<void> {
  const env = readEnv(ROOT, process.env);
  if (!env.databaseUrl || !env.redisUrl) {
    throw new LocalError('ENV_INVALID', 'DATABASE_URL and REDIS_URL must be set in a container.');
  }
  await prepareDataDir(env);
  const logs = path.join(env.dataDir, 'logs');
  await mkdir(logs, { recursive: true });
  const context = {
    root: ROOT,
    env,
    databaseUrl: env.databaseUrl,
    redisUrl: env.redisUrl,
    logs,
    signal: new AbortController().signal,
  };
  await migrate(context, reporter);
  const genesis = await initialise(context, reporter);
  await importEmbeddedModel(context, reporter);
  const file = process.env.BLYAN_GENESIS_FILE;
  if (file) await writeFile(file, `${genesis}\n`);
  reporter.line(`BLYAN_GENESIS=${genesis}`);
  const setup = env.authSecret ? await setupLink(env.databaseUrl) : null;
  if (setup) reporter.line(`First admin, once: ${env.publicUrl ?? localUrl(env)}${setup}`);
}

try {
  await main();
} catch (error) {
  const expected = error instanceof LocalError || (error instanceof Error && 'code' in error);
  reporter.line(`\n✗ ${expected ? error.message : (error as Error).stack}`);
  process.exitCode = 1;
}
