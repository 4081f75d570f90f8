import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isType, openBlock } from '@blyan/chain/block';
import { toHex } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import type { LayerBody } from '@blyan/chain/types';
import { appendBody, appendPort, getBlock } from '@blyan/db/chain';
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
    const models = new ChainModels({ db, store, name: null });
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
    expect(await models.wanted()).toBe(hash);
    expect(await new ChainModels({ db, store, name: 'other' }).wanted()).toBeNull();
    const { plan } = model;
    expect(plan.layerBytes).toHaveLength(12);
    const bytes = plan.layerBytes.reduce((a, b) => a + b, plan.headBytes);
    expect(bytes).toBeGreaterThan(1e6);
    expect(Math.min(...plan.memory.cpu.layers)).toBeGreaterThanOrEqual(plan.layerBytes[0] ?? 0);
    expect(plan.positions).toBe(Math.min(model.context, 4096));
    expect(Receipt.shape.layerBlocks.safeParse(model.layerBlocks).success).toBe(true);
    expect([...model.stopTokens].every((id) => id < model.vocab)).toBe(true);

    const stored = await getBlock(db, 'A', hash);
    const block = stored && openBlock(stored.sealed);
    if (!block || !isType(block, 'model')) throw new Error('the model block is not stored');
    const file = block.body.files.find((each) => each.path === 'tokenizer.json');
    const root = toHex(file?.root ?? new Uint8Array());
    await flipBit(path.join(dir, 'blobs', root.slice(0, 2), root));
    await expect(new ChainModels({ db, store, name: null }).get(hash)).rejects.toThrow(
      /tokenizer\.json/,
    );
  } finally {
    await db.$disconnect();
    await rm(dir, { recursive: true });
  }
});

test('blocks that are added between the reads of A and B are found', async () => {
  await using database = await createTestDatabase(inject('databaseUrl'));
  const db = createDb(database.url, { poolSize: 2 });
  const dir = await mkdtemp(path.join(tmpdir(), 'blyan-models-'));
  try {
    const { secretKey } = generateKeyPair();
    await initGenesis(db, { network: 'test', secretKey, time: Date.now() });
    const append = async () => {
      const { publicKey: key } = generateKeyPair();
      const body = { action: 'add', key } as const;
      await appendBody(db, { chain: 'A', type: 'authority', body, secretKey });
      await appendBody(db, { chain: 'B', type: 'layer', body: layerBody(), secretKey });
    };
    let appended = false;
    const racing = db.$extends({
      query: {
        block: {
          async findMany({ args, query }) {
            const rows = await query(args);
            if (args.where?.chain === 'A' && !appended) {
              appended = true;
              await append();
            }
            return rows;
          },
        },
      },
    });
    const store = await BlobStore.open(path.join(dir, 'blobs'));
    const models = new ChainModels({ db: racing as unknown as typeof db, store, name: null });
    await expect(models.get('ab'.repeat(32))).rejects.toMatchObject({ code: 'BLOCK_UNKNOWN' });
    expect(appended).toBe(true);
  } finally {
    await db.$disconnect();
    await rm(dir, { recursive: true });
  }
});

function layerBody(): LayerBody {
  const root = new Uint8Array(32);
  return {
    group: 'layer.0',
    tensors: [
      {
        name: 'w',
        role: 'mlp.up',
        dtype: 'f32',
        shape: [1],
        format: 'f32',
        byteLength: 4,
        leafSize: 1 << 20,
        root,
        source: { file: root, offset: 0, length: 4, root },
        recipe: { name: 'raw', version: 1 },
      },
    ],
  };
}

async function flipBit(file: string): Promise<void> {
  await chmod(file, 0o600);
  await using handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 1000);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await handle.write(byte, 0, 1, 1000);
}
