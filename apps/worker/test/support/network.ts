/** A network of one process: real keys, real sealed blocks in memory, real blobs in a directory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sealBlock } from '@blyan/chain/block';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { equalBytes } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import type { BlockType, BodyOf, ChainId, StoredFormat } from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import { type AppendPort, importModel } from '@blyan/model/import';
import { BlobStore } from '@blyan/store/blob-store';

export interface Network extends AsyncDisposable {
  dir: string;
  secretKey: Uint8Array;
  verifier: ChainVerifier;
  store: BlobStore;
  append<T extends BlockType>(chain: ChainId, type: T, body: BodyOf<T>): void;
  /** Imports a checkpoint through the real import path. */
  import(checkpoint: string, name: string, format?: StoredFormat | null): Promise<void>;
}

export async function createNetwork(): Promise<Network> {
  const dir = await mkdtemp(join(tmpdir(), 'blyan-engine-'));
  const { publicKey, secretKey } = generateKeyPair();
  const root = createGenesis({
    network: 'test',
    authorities: [publicKey],
    time: Date.now(),
    secretKey,
  });
  const verifier = new ChainVerifier({ genesis: root.hash });
  verifier.accept(root.sealed);
  for (const chain of ['B', 'L'] as const) {
    verifier.accept(deriveGenesis(root, chain, secretKey).sealed);
  }
  const store = await BlobStore.open(join(dir, 'blobs'));

  const append = <T extends BlockType>(chain: ChainId, type: T, body: BodyOf<T>) => {
    const head = verifier.head(chain)!;
    const block = verifier.append(
      sealBlock({
        chain,
        height: head.height + 1,
        prev: head.hash,
        time: Math.max(Date.now(), head.header.time),
        type,
        anchor: chain === 'A' ? null : verifier.head('A')!.hash,
        log: verifier.logRoot(chain, verifier.size(chain)),
        body,
        secretKey,
      }),
    );
    return { hash: block.hash, height: block.height };
  };
  const port: AppendPort = {
    append: async (chain, type, body) => append(chain, type, body),
    findByBody: async (chain, hash) =>
      verifier.blocks(chain).find((block) => equalBytes(block.header.body, hash)) ?? null,
  };
  return {
    dir,
    secretKey,
    verifier,
    store,
    append,
    async import(checkpoint, name, format = null) {
      await importModel(
        checkpoint,
        { name, format, source: { repository: null, revision: null } },
        { store, chain: port, journalDir: join(dir, 'journal') },
      );
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
