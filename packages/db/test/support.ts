import { sealBlock } from '@blyan/chain/block';
import { generateKeyPair } from '@blyan/chain/keys';
import { Frontier, leafHash } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { BlockType, BodyOf, ChainId, Hash, LayerBody } from '@blyan/chain/types';
import { getBlock, head, listBlocks } from '@blyan/db/chain';
import { createDb, type Db } from '@blyan/db/client';
import { initGenesis } from '@blyan/db/genesis';
import { createTestDatabase } from '@blyan/db/testing';

const NETWORK = 'db-test';
const text = new TextEncoder();
const h = (value: string): Hash => sha256(text.encode(value));

export async function openTestDb(adminUrl: string) {
  const database = await createTestDatabase(adminUrl);
  const db = createDb(database.url);
  return {
    db,
    url: database.url,
    async [Symbol.asyncDispose]() {
      await db.$disconnect();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A database with a network in it, and the key that may write. */
export async function openTestChain(adminUrl: string) {
  const test = await openTestDb(adminUrl);
  const keys = generateKeyPair();
  const time = Date.now();
  const genesis = await initGenesis(test.db, { network: NETWORK, secretKey: keys.secretKey, time });
  return { ...test, ...keys, genesis };
}

export function layerBody(name: string): LayerBody {
  const recipe = { name: 'raw', version: 1 };
  const source = { file: h('file'), offset: 0, length: 4, root: h(name) };
  return {
    group: 'layer.0',
    tensors: [
      {
        name,
        role: 'mlp.up',
        dtype: 'f32',
        shape: [1],
        format: 'f32',
        byteLength: 4,
        leafSize: 1 << 20,
        root: h(name),
        source,
        recipe,
      },
    ],
  };
}

type Overrides = Partial<{
  height: number;
  prev: Hash;
  time: number;
  anchor: Hash | null;
  log: Hash;
}>;

/** Seals the next block of a chain as an honest author would, but for what the test overrides. */
export async function seal<T extends BlockType>(
  db: Db,
  input: { chain: ChainId; type: T; body: BodyOf<T>; secretKey: Uint8Array },
  overrides: Overrides = {},
) {
  const top = await head(db, input.chain);
  const a = await head(db, 'A');
  if (!top || !a) throw new Error('no genesis');
  const log = Frontier.empty();
  for (const block of await listBlocks(db, input.chain, {
    from: 0,
    limit: overrides.height ?? top.size,
  })) {
    log.append(leafHash(block.hash));
  }
  const { hash: _, ...sealed } = sealBlock({
    ...input,
    height: top.size,
    prev: top.hash,
    time: Date.now(),
    anchor: input.chain === 'A' ? null : a.hash,
    log: log.root(),
    ...overrides,
  });
  return sealed;
}

export const layer = (name: string, secretKey: Uint8Array) =>
  ({ chain: 'B', type: 'layer', body: layerBody(name), secretKey }) as const;

/** Every row of the chain tables, to compare before and after. */
export async function tables(db: Db) {
  return {
    blocks: await db.block.findMany({ orderBy: [{ chain: 'asc' }, { height: 'asc' }] }),
    heads: await db.chainHead.findMany({ orderBy: { chain: 'asc' } }),
    evidence: await db.blockEvidence.findMany({ orderBy: { hash: 'asc' } }),
  };
}

export async function hashAt(db: Db, chain: ChainId, height: number): Promise<Hash> {
  const block = await getBlock(db, chain, height);
  if (!block) throw new Error(`no block ${height}`);
  return block.hash;
}
