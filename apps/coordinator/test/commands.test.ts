import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDb } from '@blyan/db/client';
import { createTestDatabase } from '@blyan/db/testing';
import type {} from '@blyan/local/test-context';
import type { MemoryPlan } from '@blyan/model/plan/memory';
import { qwen3Config, SMALL } from '@blyan/model/testing';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import {
  authorityKeyPath,
  createAuthorityKey,
  readAuthorityKey,
} from '../src/commands/authority-key.ts';
import { parseImportArgs } from '../src/commands/import-args.ts';
import { planImport } from '../src/commands/import-plan.ts';
import { initChains } from '../src/commands/init-chains.ts';
import { duration, ProgressLine } from '../src/commands/progress-line.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'commands-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the authority key', () => {
  test('is readable by its owner only, and stays what it is', async () => {
    const path = authorityKeyPath(dir);
    expect(await readAuthorityKey(path)).toBeNull();
    const key = await createAuthorityKey(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await createAuthorityKey(path)).toEqual(key);
    await chmod(path, 0o644);
    expect(await readAuthorityKey(path)).toEqual(key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(dir, 'keys'))).toEqual(['authority.json']);
  });

  test('two first starts at once end with one key', async () => {
    const path = authorityKeyPath(dir);
    const keys = await Promise.all(Array.from({ length: 5 }, () => createAuthorityKey(path)));
    const kept = await readAuthorityKey(path);
    expect(keys.every(({ secretKey }) => Buffer.compare(secretKey, kept!.secretKey) === 0)).toBe(
      true,
    );
  });

  test('a damaged file is refused, not replaced', async () => {
    const path = authorityKeyPath(dir);
    await createAuthorityKey(path);
    const text = await readFile(path, 'utf8');
    const other = text.replace(/"publicKey": "../, '"publicKey": "00');
    for (const bad of ['', '{}', text.slice(0, -10), other]) {
      await writeFile(path, bad);
      await expect(readAuthorityKey(path)).rejects.toThrow(/not an authority key/);
    }
  });
});

describe('init', () => {
  const input = { network: 'net', time: 1 };

  test('makes key and genesis once, and finds them again', async () => {
    await using database = await createTestDatabase(inject('databaseUrl'));
    const db = createDb(database.url);
    try {
      const first = await initChains({ ...input, dataDir: dir }, { db });
      const second = await initChains({ ...input, dataDir: dir, time: 2 }, { db });
      expect([first.created, second.created]).toEqual([true, false]);
      expect(second.hash).toEqual(first.hash);
      expect(await db.block.count()).toBe(3);

      // The network's key is lost: a new one could write nothing.
      await rm(authorityKeyPath(dir));
      await expect(initChains({ ...input, dataDir: dir }, { db })).rejects.toThrow(/is missing/);
      expect(await readAuthorityKey(authorityKeyPath(dir))).toBeNull();
      await createAuthorityKey(authorityKeyPath(dir));
      await expect(initChains({ ...input, dataDir: dir }, { db })).rejects.toThrow(/may not write/);
    } finally {
      await db.$disconnect();
    }
  }, 30_000);
});

describe('arguments of the import', () => {
  const parse = (...args: string[]) => parseImportArgs(args, dir);

  test('a directory or a hub id', async () => {
    expect(await parse('.', '--name', 'x', '--format', 'q4')).toEqual({
      kind: 'directory',
      dir,
      name: 'x',
      format: 'q4',
      plan: null,
    });
    expect(await parse('Qwen/Qwen3-0.6B')).toEqual({
      kind: 'hub',
      id: 'Qwen/Qwen3-0.6B',
      revision: 'main',
      name: 'Qwen3-0.6B',
      format: null,
      plan: null,
    });
    expect(await parse('--help')).toBeNull();
  });

  test.each([
    [[], /Expected one directory or hub id, got 0/],
    [['a/b', 'c'], /got 2/],
    [['a/b', '--format', 'q5'], /--format q5: expected one of f32, f16, bf16, fp8, q8, q4, nf4/],
    [['a/b', '--name', 'a b'], /cannot be a model's name/],
    [['./nowhere'], /neither a directory nor a hub id/],
    [['.', '--revision', 'x'], /--revision goes with a hub id/],
    [['a/b', '--verbose'], /--verbose/],
    [['a/b', '--json'], /--json and --memory-gb go with --plan/],
    [['a/b', '--plan', '--memory-gb', 'x'], /--memory-gb x: expected a number/],
    [['a/b', '--plan', '--memory-gb', '0'], /--memory-gb 0: expected a number/],
  ] as const)('%j is refused', async (args, text) => {
    await expect(parse(...args)).rejects.toThrow(text);
  });
});

describe('a plan', () => {
  const plan = async (...more: string[]) => {
    const args = await parseImportArgs(['.', '--plan', ...more], dir);
    return await planImport(args!, args!.plan!, new AbortController().signal);
  };

  test('needs nothing but config.json', async () => {
    await expect(plan()).rejects.toThrow(/config.json cannot be read/);
    await writeFile(join(dir, 'config.json'), JSON.stringify(qwen3Config(SMALL)));
    expect(await plan('--memory-gb', '24')).toMatch(/On a GPU with 24\.00 GB/);
    const json = JSON.parse(await plan('--json', '--format', 'q4')) as MemoryPlan;
    expect(json.formats.map(({ format }) => format)).toEqual(['q4']);
    expect(json.memoryBytes).toBe(16e9);
    await writeFile(join(dir, 'config.json'), '{');
    await expect(plan()).rejects.toThrow(/is not JSON/);
  });
});

describe('progress', () => {
  const MIB = 2 ** 20;
  const run = (isTTY: boolean) => {
    const written: string[] = [];
    let now = 0;
    const line = new ProgressLine(
      { write: (text) => written.push(text), isTTY, columns: 70 },
      () => now,
    );
    for (let i = 0; i <= 100; i++) {
      line.update('import', `tensor ${i}`, i * MIB, 100 * MIB);
      now += 100;
    }
    return written;
  };

  test('a log gets a line every three seconds, with rate and time left', () => {
    const written = run(false);
    expect(written.length).toBe(5);
    expect(written[0]).toBe('import   0 %  0.0 of 100 MiB  tensor 0\n');
    expect(written[1]).toBe('import  30 %  30.0 of 100 MiB  10.0 MiB/s  7 s left  tensor 30\n');
    expect(written[4]).toMatch(/^import 100 % {2}100 of 100 MiB/);
  });

  test('a terminal has one line that is redrawn and never wraps', () => {
    const written = run(true);
    expect(written.length).toBe(101);
    for (const text of written) {
      expect(text.startsWith('\r\x1b[K')).toBe(true);
      expect(text.length).toBeLessThanOrEqual(4 + 69);
    }
  });

  test.each([
    [0.2, '1 s'],
    [61, '1 min 1 s'],
    [7265, '2 h 1 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
