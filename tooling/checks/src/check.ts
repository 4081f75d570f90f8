/** `npm run check`: what must hold before the tests are worth running. All of it runs, then it says. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { checkEnvExample } from './env-example.ts';
import { checkGraph } from './graph.ts';
import { checkLockfile } from './lockfile.ts';
import { fixLockfile } from './lockfile-fix.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const bin = (name: string) => path.join(ROOT, 'node_modules', '.bin', name);

function program(name: string, args: string[]): () => Promise<string[]> {
  return () =>
    new Promise((resolve, reject) => {
      const child = spawn(bin(name), args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk;
        });
      }
      child.once('error', reject);
      child.once('close', (code) => resolve(code === 0 ? [] : [output.trimEnd()]));
    });
}

const turbo = (task: string) =>
  program('turbo', ['run', task, '--continue', '--no-color', '--output-logs=errors-only']);

const CHECKS: [name: string, check: () => Promise<string[]>][] = [
  // The database client is generated code that the others import.
  ['generate', turbo('generate')],
  ['biome', program('biome', ['check', '--colors=off', '--max-diagnostics=200'])],
  ['graph', () => checkGraph(ROOT)],
  ['package-lock', () => checkLockfile(ROOT)],
  ['typecheck', turbo('typecheck')],
  ['knip', program('knip', ['--no-progress', '--cache'])],
  ['.env.example', () => checkEnvExample(ROOT)],
];

/** What can put itself right, when asked to with --fix. */
const FIXES = new Map([['package-lock', () => fixLockfile(ROOT)]]);

let failed = 0;
const fix = process.argv.includes('--fix');
const only = process.argv.slice(2).filter((arg) => arg !== '--fix');
const names = CHECKS.map(([name]) => name);
for (const name of only) {
  if (names.includes(name)) continue;
  console.log(`There is no check ${name}: ${names.join(', ')}`);
  failed++;
}
for (const [name, check] of CHECKS) {
  if (only.length > 0 && !only.includes(name)) continue;
  const started = Date.now();
  const unfixed = fix ? await FIXES.get(name)?.() : undefined;
  const problems = [...(unfixed ?? []), ...(await check())];
  const took = `${((Date.now() - started) / 1000).toFixed(1)} s`;
  if (problems.length === 0) {
    console.log(`✓ ${name} (${took})`);
    continue;
  }
  failed++;
  console.log(`✗ ${name} (${took})\n${problems.map((line) => `  ${line}`).join('\n')}`);
}
if (failed > 0) {
  console.log(`\n${failed} of ${CHECKS.length} checks failed`);
  process.exitCode = 1;
}
