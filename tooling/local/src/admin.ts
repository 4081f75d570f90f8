/** `npm run admin -- <what> <action> [options]`: the coordinator's command, on a running `npm start`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { command } from './chain-setup.ts';
import { localUrl, readEnv, withDotEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { runningServices } from './running-services.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

async function main(args: string[]): Promise<number> {
  const env = readEnv(ROOT, withDotEnv(ROOT, process.env));
  const { databaseUrl, redisUrl } = env;
  const given = databaseUrl && redisUrl ? { databaseUrl, redisUrl } : null;
  const urls = given ?? (await runningServices(env));
  if (!urls)
    throw new LocalError(
      'NOT_READY',
      `No main node runs on ${env.dataDir}: run \`npm start\` first, or set DATABASE_URL and REDIS_URL.`,
    );
  const logs = path.join(env.dataDir, 'logs');
  const context = { root: ROOT, env, logs, signal: new AbortController().signal, ...urls };
  const spec = command(context, 'admin', args, 'The command');
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: { ...spec.env, BLYAN_PUBLIC_URL: env.publicUrl ?? localUrl(env) },
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof LocalError ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}
