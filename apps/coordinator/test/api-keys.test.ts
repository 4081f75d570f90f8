import { findApiKey } from '@blyan/db/api-keys';
import { createDb } from '@blyan/db/client';
import { createTestDatabase } from '@blyan/db/testing';
import { describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { parseKeyArgs, runKeyCommand } from '../src/commands/api-keys-run.ts';

const NOW = Date.UTC(2026, 0, 1);

describe('arguments', () => {
  test('a key has limits unless it is to have none', () => {
    expect(parseKeyArgs(['create', 'laptop'], NOW)).toMatchObject({
      limits: { name: 'laptop', requestsPerMinute: 6000, tokensPerMinute: 2e7, expiresAt: null },
    });
    const args = ['create', 'ci', '--requests', '0', '--tokens=5', '--days', '30'];
    expect(parseKeyArgs(args, NOW)).toMatchObject({
      limits: { requestsPerMinute: 0, tokensPerMinute: 5, expiresAt: new Date('2026-01-31') },
    });
  });

  test.each([
    [['create']],
    [['create', 'a', 'b']],
    [['create', 'a', '--requests', 'many']],
    [['create', 'a', '--tokens', '-1']],
    [['create', 'a', '--days', '0']],
    [['create', 'a\nb']],
    [['revoke']],
    [['list', 'all']],
    [['rotate', 'a']],
    [['create', 'a', '--colour', 'red']],
  ])('%j is refused', (args) => {
    expect(() => parseKeyArgs(args, NOW)).toThrow(
      expect.objectContaining({ name: 'CommandError' }),
    );
  });
});

test('from making a key to its end', async () => {
  await using database = await createTestDatabase(inject('databaseUrl'));
  const db = createDb(database.url);
  const run = (...args: string[]) => runKeyCommand(parseKeyArgs(args, Date.now()), db);
  try {
    expect(await run('list')).toBe('There are no keys.\n');
    const [key = ''] = (await run('create', 'laptop', '--requests', '7')).split('\n');
    expect(await findApiKey(db, key)).toMatchObject({ requestsPerMinute: 7 });
    const listed = await run('list');
    expect(listed).toContain('7 requests');
    expect(listed).not.toContain(key);
    const [id = ''] = listed.split(' ');
    expect(await run('revoke', id)).toContain('laptop');
    expect(await findApiKey(db, key)).toBeNull();
    expect(await run('list')).toContain('revoked');
    await expect(run('revoke', id)).rejects.toThrow('no valid key');
  } finally {
    await db.$disconnect();
  }
});
