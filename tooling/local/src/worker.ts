/**
 * `npm run worker -- --main URL [...]`: builds the worker and becomes its parent. Signals go through:
 * the first SIGTERM drains, a second one ends it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { build } from './build.ts';
import { withDotEnv } from './env.ts';
import { baseEnv } from './parts.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

async function main(args: string[]): Promise<number> {
  const source = withDotEnv(ROOT, process.env);
  const dataDir = path.resolve(ROOT, source.BLYAN_DATA_DIR || 'data');
  const logs = path.join(dataDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  await build(
    {
      root: ROOT,
      logFile: path.join(logs, 'build.log'),
      env: baseEnv(source),
      only: '@blyan/worker',
    },
    say,
  );
  const child = spawn(
    process.execPath,
    [path.join(ROOT, 'apps', 'worker', 'dist', 'main.js'), ...args],
    {
      // Files that options name are where the operator stands.
      cwd: process.env.INIT_CWD ?? process.cwd(),
      // The database of a main node on the same machine is none of the worker's.
      env: { ...baseEnv(source), BLYAN_DATA_DIR: dataDir },
      stdio: 'inherit',
    },
  );
  // A terminal's Ctrl-C reaches the child by itself, and it would count twice.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
