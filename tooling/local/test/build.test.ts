/**
 * The build step on a small repository with our turbo.json: what it builds, and when again. There is no
 * Git in it, as in a downloaded archive: what was built must not count as a source then either.
 */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../src/build.ts';
import { baseEnv } from '../src/parts.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
let root: string;
const file = (name: string) => path.join(root, name);
const write = async (name: string, content: string | object) => {
  await mkdir(path.dirname(file(name)), { recursive: true });
  await writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content));
};

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'blyan-build-'));
  const { packageManager } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  await write('package.json', { name: 'x', packageManager, workspaces: ['apps/*', 'packages/*'] });
  for (const name of ['turbo.json', 'tsconfig.base.json'])
    await cp(path.join(ROOT, name), file(name));
  const workspaces = {
    'packages/db': { name: '@blyan/db', scripts: { generate: 'node -e 0' } },
    // No build step of its own, as ours: the app bundles its sources.
    'packages/model': { name: '@blyan/model' },
    'apps/one': {
      name: '@blyan/one',
      scripts: { build: 'node build.cjs' },
      dependencies: { '@blyan/model': '*', '@blyan/db': '*' },
    },
  };
  const packages: Record<string, object> = { '': { workspaces: ['apps/*', 'packages/*'] } };
  for (const [dir, manifest] of Object.entries(workspaces)) {
    await write(`${dir}/package.json`, { version: '1.0.0', ...manifest });
    packages[dir] = { version: '1.0.0', ...manifest };
    packages[`node_modules/${manifest.name}`] = { resolved: dir, link: true };
  }
  await write('package-lock.json', { name: 'x', lockfileVersion: 3, packages });
  await write('packages/model/src/value.txt', 'first');
  await write('packages/model/test/some.test.ts', '');
  await write(
    'apps/one/build.cjs',
    `const { cpSync } = require('node:fs');
     cpSync('../../packages/model/src/value.txt', 'dist/value.txt');`,
  );
  await mkdir(file('node_modules/.bin'), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules/.bin/turbo'), file('node_modules/.bin/turbo'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const run = async () => {
  const env = { ...baseEnv(process.env), TURBO_TELEMETRY_DISABLED: '1' };
  const { cached, total } = await build({ root, env, logFile: file('build.log') }, () => undefined);
  return { built: total - cached, value: await readFile(file('apps/one/dist/value.txt'), 'utf8') };
};

test("what did not change is not built; a package's source that changed is", async () => {
  expect(await run()).toEqual({ built: 2, value: 'first' });
  expect(await run()).toEqual({ built: 0, value: 'first' });
  await write('packages/model/src/value.txt', 'second');
  expect(await run()).toEqual({ built: 1, value: 'second' });
  await write('packages/model/test/some.test.ts', '// nobody bundles a test');
  expect(await run()).toEqual({ built: 0, value: 'second' });
  // Next.js and the compiler leave these beside the sources.
  for (const left of ['next-env.d.ts', 'tsconfig.tsbuildinfo'])
    await write(`apps/one/${left}`, 'x');
  expect(await run()).toEqual({ built: 0, value: 'second' });
  // Somebody removed what was built.
  await rm(file('apps/one/dist'), { recursive: true });
  expect(await run()).toEqual({ built: 0, value: 'second' });
});
