/**
 * A `globalSetup` of a project that is an app: its bundle, current, so that tests start its programs as
 * the product does, and without translating TypeScript at each start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { build } from './build.ts';

const root = path.resolve(import.meta.dirname, '../../..');

export default async function setup(project: TestProject): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-test-build-'));
  try {
    const logFile = path.join(dir, 'build.log');
    const only = `@blyan/${project.name}`;
    await build({ root, logFile, env: process.env, only }, () => undefined);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
