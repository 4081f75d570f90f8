import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { checkLockfile, type LockPackages, missingFromLock, readLock } from '../src/lockfile.ts';
import { completeLock, fixLockfile, platformOf } from '../src/lockfile-fix.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const nothing = async () => null;
const forgetful = (): LockPackages => ({
  'node_modules/tool': {
    dev: true,
    license: 'MIT',
    optionalDependencies: { '@tool/linux-x64': '1.0.0', '@tool/darwin-arm64': '1.0.0' },
  },
  'node_modules/@tool/linux-x64': { version: '1.0.0', optional: true, integrity: 'sha512-x' },
});

test('names what npm forgot', () => {
  expect(missingFromLock(forgetful())).toEqual([
    { where: 'node_modules/tool', name: '@tool/darwin-arm64', range: '1.0.0' },
  ]);
});

test('puts it back: as the registry has it, else as its name says', async () => {
  const packages = forgetful();
  const { problems } = await completeLock(packages, nothing);
  expect(problems).toEqual([]);
  const entry = { version: '1.0.0', dev: true, license: 'MIT', optional: true };
  const platform = { os: ['darwin'], cpu: ['arm64'] };
  expect(packages['node_modules/@tool/darwin-arm64']).toEqual({ ...entry, ...platform });
  expect(missingFromLock(packages)).toEqual([]);

  const known = { ...platform, engines: { node: '>=20' }, integrity: 'sha512-y' };
  await completeLock(packages, async () => known);
  expect(packages['node_modules/@tool/darwin-arm64']?.integrity).toBe('sha512-y');
  expect(packages['node_modules/@tool/linux-x64']?.integrity).toBe('sha512-x');
  const anew = forgetful();
  await completeLock(anew, async () => known);
  expect(anew['node_modules/@tool/darwin-arm64']).toEqual({ ...entry, ...known });
});

test('says what it cannot put back', async () => {
  const packages = { 'node_modules/tool': { optionalDependencies: { fast: '1.0.0', any: '^2' } } };
  expect((await completeLock(packages, nothing)).problems).toHaveLength(2);
});

test.each([
  ['@turbo/windows-64', { os: ['win32'], cpu: ['x64'] }],
  ['@oxc-parser/binding-linux-arm-musleabihf', { os: ['linux'], cpu: ['arm'], libc: ['musl'] }],
  ['@oxc-parser/binding-linux-s390x-gnu', { os: ['linux'], cpu: ['s390x'], libc: ['glibc'] }],
  ['@tailwindcss/oxide-wasm32-wasi', { cpu: ['wasm32'] }],
  ['left-pad', null],
])('the platform of %s', (name, platform) => {
  expect(platformOf(name)).toEqual(platform);
});

test('the lock of this repository is complete, and comes back whole when npm forgets', async () => {
  expect(await checkLockfile(ROOT)).toEqual([]);
  const whole = readLock(ROOT);
  const packages = { ...whole.packages };
  const forgotten = Object.keys(packages).filter((where) => /@turbo\/windows/.test(where));
  expect(forgotten).toHaveLength(2);
  for (const where of forgotten) delete packages[where];
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-lock-'));
  try {
    await writeFile(path.join(dir, 'package-lock.json'), JSON.stringify({ ...whole, packages }));
    expect(await checkLockfile(dir)).toHaveLength(3);
    const registry = async (name: string) => whole.packages[`node_modules/${name}`] ?? null;
    expect(await fixLockfile(dir, registry)).toEqual([]);
    expect(readLock(dir)).toEqual(whole);
    expect(await readFile(path.join(dir, 'package-lock.json'), 'utf8')).toMatch(/\n\}\n$/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
