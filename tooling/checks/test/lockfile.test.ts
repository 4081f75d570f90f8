import path from 'node:path';
import { expect, test } from 'vitest';
import { checkLockfile, missingFromLock } from '../src/lockfile.ts';

test('names what npm forgot', () => {
  const packages = {
    'node_modules/tool': {
      optionalDependencies: { '@tool/linux': '1.0.0', '@tool/darwin': '1.0.0' },
    },
    'node_modules/@tool/linux': {},
  };
  expect(missingFromLock(packages)).toEqual([
    '@tool/darwin, an optional dependency of node_modules/tool, is not in the lock',
  ]);
});

test('the lock of this repository is complete', async () => {
  expect(await checkLockfile(path.resolve(import.meta.dirname, '../../..'))).toEqual([]);
});
