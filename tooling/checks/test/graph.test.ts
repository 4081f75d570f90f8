import path from 'node:path';
import { expect, test } from 'vitest';
import {
  checkCycles,
  checkDirections,
  checkIsomorphic,
  checkWorker,
  cycles,
  type Graph,
  readGraph,
  workerReach,
} from '../src/graph.ts';
import { importsOf } from '../src/imports.ts';
import { resolveImport } from '../src/resolve.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

const graph = (files: Record<string, string[]>): Graph => ({
  files: new Map(Object.entries(files).map(([file, imports]) => [file, new Set(imports)])),
  npm: new Map(),
  node: new Map(),
  problems: [],
});

test('finds every way to import, types included', () => {
  const source = `
    import a from 'a';
    import type { B } from 'b';
    export * from 'c';
    export type { D } from 'd';
    const e = await import('e');
    type F = import('f').F;
    import 'g';
    const notOne = "from 'z'";
  `;
  expect(importsOf('x.ts', source).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
});

test('a file that does not parse is named', () => {
  expect(() => importsOf('broken.ts', 'import {')).toThrow('broken.ts');
});

test('resolves names of our packages through their exports and imports maps', () => {
  const from = 'packages/chain/src/sha256.ts';
  expect(resolveImport(ROOT, from, '#sha256')).toContainEqual({
    kind: 'file',
    file: 'packages/chain/src/sha256.node.ts',
  });
  expect(resolveImport(ROOT, from, '@blyan/protocol/limits')).toEqual([
    { kind: 'file', file: 'packages/protocol/src/limits.ts' },
  ]);
  expect(resolveImport(ROOT, from, '@blyan/protocol/src/limits.ts')[0]?.kind).toBe('missing');
  expect(resolveImport(ROOT, from, 'fs')).toEqual([{ kind: 'node', name: 'fs' }]);
  expect(resolveImport(ROOT, from, '@noble/hashes/sha2.js')).toEqual([
    { kind: 'npm', name: '@noble/hashes' },
  ]);
});

test('a package must not import against the direction, an app never an app', () => {
  const problems = checkDirections(
    graph({
      'packages/chain/src/a.ts': ['packages/store/src/b.ts'],
      'packages/store/src/b.ts': ['packages/chain/src/c.ts'],
      'apps/web/src/a.ts': ['apps/worker/src/b.ts', 'packages/db/src/client.ts'],
      'apps/worker/src/b.ts': ['packages/db/src/client.ts'],
      'packages/store/test/a.test.ts': ['tooling/local/src/test-context.ts'],
    }),
  );
  expect(problems).toHaveLength(3);
  expect(problems[0]).toContain('chain must not import store');
  expect(problems[1]).toContain('web must not import worker');
  expect(problems[2]).toContain('worker must not import db');
});

test('finds cycles, and only cycles', () => {
  const edges = new Map(
    Object.entries({ a: ['b'], b: ['c'], c: ['a', 'd'], d: [], e: ['d'], f: ['f'] }).map(
      ([node, next]) => [node, new Set(next)],
    ),
  );
  expect(cycles(edges).map((cycle) => cycle.sort())).toEqual([['a', 'b', 'c'], ['f']]);
  const found = checkCycles(
    ROOT,
    graph({
      'apps/web/src/a.ts': ['apps/web/src/b.ts'],
      'apps/web/src/b.ts': ['apps/web/src/a.ts'],
    }),
  );
  expect(found.filter((line) => line.includes('between files'))).toHaveLength(1);
});

test('the isomorphic packages may use Node only where their imports map says so', () => {
  const g = graph({});
  g.node.set('packages/chain/src/sha256.node.ts', new Set(['crypto']));
  g.node.set('packages/chain/src/verify-thread.node.ts', new Set(['worker_threads']));
  g.node.set('packages/chain/src/merkle.ts', new Set(['crypto']));
  g.node.set('packages/store/src/disk.ts', new Set(['fs']));
  expect(checkIsomorphic(ROOT, g)).toEqual([
    'packages/chain/src/merkle.ts: imports node:crypto but runs in browsers too',
  ]);
});

test('database code that the worker reaches over three corners is found', () => {
  const g = graph({
    'apps/worker/src/main.ts': ['packages/queue/src/a.ts'],
    'packages/queue/src/a.ts': ['packages/db/src/client.ts'],
    'packages/db/src/client.ts': [],
  });
  g.npm.set('packages/db/src/client.ts', new Set(['@prisma/adapter-pg']));
  const problems = checkWorker(ROOT, g);
  expect(problems).toContain('the worker reaches packages/db/src/client.ts');
  expect(problems.join()).toContain('the package pg,');
});

test('this repository keeps its rules', async () => {
  const real = await readGraph(ROOT);
  expect(real.files.size).toBeGreaterThan(50);
  expect(workerReach(ROOT, real).files.size).toBeGreaterThan(5);
  expect([
    ...real.problems,
    ...checkDirections(real),
    ...checkIsomorphic(ROOT, real),
    ...checkCycles(ROOT, real),
    ...checkWorker(ROOT, real),
  ]).toEqual([]);
});
