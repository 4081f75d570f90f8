/** `npm test`: everything, on real services. Arguments go to vitest, for example `-- --project chain`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from './build.ts';
import { findChromium } from './chromium.ts';
import { LocalError } from './errors.ts';
import { findPython } from './python.ts';
import { findRedis } from './redis-binary.ts';
import { createReporter } from './report.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const reporter = createReporter(process.stdout, process.env);

async function vitest(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const cli = path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(
    process.execPath,
    [
      cli,
      'run',
      '--reporter=default',
      `--reporter=${path.join(import.meta.dirname, 'closing-line.ts')}`,
      ...args,
    ],
    { cwd: ROOT, env, stdio: 'inherit' },
  );
  // The terminal signals both of us; what is left to do is to wait for its cleaning up.
  const names: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
  for (const name of names) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

async function main(args: string[]): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-npm-test-'));
  try {
    const say = (line: string) => reporter.line(`  ${line}`);
    const chromium = findChromium(process.env, say);
    const python = findPython(say);
    const toolsDir = path.join(ROOT, 'data', 'tools');
    const redis = await findRedis({ toolsDir, say });
    reporter.line(`✓ Chromium: ${chromium}`);
    reporter.line(`✓ Python: ${python.command} (${python.version})`);
    reporter.line(`✓ Redis: ${redis.command} (${redis.version})`);
    await reporter.step(
      'build',
      ({ update }) =>
        build({ root: ROOT, logFile: path.join(dir, 'build.log'), env: process.env }, (line) =>
          update(line.trim()),
        ),
      ({ cached, total }) =>
        cached === total ? 'build is current' : `built ${total - cached} of ${total} parts`,
    );
    const file = path.join(dir, 'closing-line');
    const code = await vitest(args, {
      ...process.env,
      CHROMIUM_PATH: chromium,
      CLOSING_LINE: file,
    });
    process.exitCode = code;
    const line = existsSync(file) ? await readFile(file, 'utf8') : '0 passed, 1 failed';
    // A run that vitest calls failed for another reason (no tests, a coverage of zero) is one.
    reporter.line(`\n${line}`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof LocalError;
  reporter.line(`\n✗ ${expected ? error.message : (error as Error).stack}`);
  reporter.line('0 passed, 1 failed');
  process.exitCode = 1;
}
