import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isType, openBlock } from '@blyan/chain/block';
import { toHex } from '@blyan/chain/hex';
import { appendPort, getBlock } from '@blyan/db/chain';
import { createDb } from '@blyan/db/client';
import { initGenesis } from '@blyan/db/genesis';
import { createTestDatabase } from '@blyan/db/testing';
import { importModel } from '@blyan/model/import';
import { Receipt } from '@blyan/protocol/answer';
import { BlobStore } from '@blyan/store/blob-store';
import { expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { ChainModels } from '../src/chain-models.ts';

const GUIDE = path.resolve(import.meta.dirname, '../../../models/blyan-guide');

test('a model is read off the chain, and not from damaged files', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-models-'));
  await using database = await createTestDatabase(inject('databaseUrl'));
  const db = createDb(database.url, { poolSize: 2 });
  try {
    const secretKey = randomBytes(32);
    const genesis = await initGenesis(db, { network: 'test', secretKey, time: Date.now() });
    const store = await BlobStore.open(path.join(dir, 'blobs'));
    // Opened before the import: blocks that are added later are found.
    const models = new ChainModels({ db, store });
    await expect(models.get('ab'.repeat(32))).rejects.toMatchObject({ name: 'ChainError' });
    const { modelBlock } = await importModel(
      GUIDE,
      { name: 'guide', format: null, source: { repository: null, revision: null } },
      { store, chain: appendPort(db, { secretKey }), journalDir: path.join(dir, 'journal') },
    );
    const hash = toHex(modelBlock.hash);
    const model = await models.get(hash);
    expect(model).toMatchObject({ name: 'guide', genesis: toHex(genesis.hash), layers: 12 });
    expect(model.block).toEqual({ chain: 'A', height: modelBlock.height, hash });
    expect(model.layerBlocks).toHaveLength(14);
    expect(model.layerBlocks[0]?.group).toBe('embedding');
    expect(Receipt.shape.layerBlocks.safeParse(model.layerBlocks).success).toBe(true);
    expect([...model.stopTokens].every((id) => id < model.vocab)).toBe(true);

    const stored = await getBlock(db, 'A', hash);
    const block = stored && openBlock(stored.sealed);
    if (!block || !isType(block, 'model')) throw new Error('the model block is not stored');
    const file = block.body.files.find((each) => each.path === 'tokenizer.json');
    const root = toHex(file?.root ?? new Uint8Array());
    await flipBit(path.join(dir, 'blobs', root.slice(0, 2), root));
    await expect(new ChainModels({ db, store }).get(hash)).rejects.toThrow(/tokenizer\.json/);
  } finally {
    await db.$disconnect();
    await rm(dir, { recursive: true });
  }
});

async function flipBit(file: string): Promise<void> {
  await chmod(file, 0o600);
  await using handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 1000);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await handle.write(byte, 0, 1, 1000);
}
