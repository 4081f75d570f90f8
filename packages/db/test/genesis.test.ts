import { generateKeyPair } from '@blyan/chain/keys';
import { head, verifyStoredChains } from '@blyan/db/chain';
import { genesisHash, initGenesis } from '@blyan/db/genesis';
import { expect, inject, it } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { openTestDb, tables } from './support.ts';

const adminUrl = inject('databaseUrl');

it('makes three chains once, also when two start at once', async () => {
  await using t = await openTestDb(adminUrl);
  const { secretKey } = generateKeyPair();
  expect(await genesisHash(t.db)).toBeNull();
  expect(await head(t.db, 'A')).toBeNull();
  const input = { network: 'one', secretKey, time: 1_700_000_000_000 };
  const both = await Promise.all([
    initGenesis(t.db, input),
    initGenesis(t.db, { ...input, time: 1 }),
  ]);
  expect(both.map((g) => g.created).sort()).toEqual([false, true]);
  expect(both[0]?.hash).toEqual(both[1]?.hash);
  expect(both.every((g) => g.authority)).toBe(true);
  const verifier = await verifyStoredChains(t.db, { genesis: both[0]?.hash ?? new Uint8Array() });
  expect([verifier.size('A'), verifier.size('B'), verifier.size('L')]).toEqual([1, 1, 1]);

  const before = await tables(t.db);
  const again = await initGenesis(t.db, { ...input, secretKey: generateKeyPair().secretKey });
  expect(again).toMatchObject({ created: false, authority: false, network: 'one' });
  await expect(initGenesis(t.db, { ...input, network: 'two' })).rejects.toMatchObject({
    code: 'GENESIS_CONFLICT',
    details: { stored: 'one', wanted: 'two' },
  });
  expect(await tables(t.db)).toEqual(before);
});
