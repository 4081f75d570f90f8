/** Chains of one authority in a file, blobs in a directory: what a stage is loaded from, without services. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealBlock } from '@blyan/chain/block';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { equalBytes, toHex } from '@blyan/chain/hex';
import { toWire, type WireBlock } from '@blyan/chain/json';
import { generateKeyPair } from '@blyan/chain/keys';
import type { StoredFormat } from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import { type AppendPort, importModel } from '@blyan/model/import';
import { BlobStore } from '@blyan/store/blob-store';

export interface Network {
  verifier: ChainVerifier;
  store: BlobStore;
}

/** `chain.json`; apps/worker/bench/ours.ts reads it. */
interface Saved {
  genesis: string;
  /** In the order in which a verifier takes them. */
  blocks: WireBlock[];
}

const CHAIN_FILE = 'chain.json';
const BLOB_DIR = 'blobs';

/** Imports a checkpoint through the real import path, and keeps chains and blobs in `dir`. */
export async function createNetwork(
  dir: string,
  checkpoint: string,
  format: StoredFormat,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<Network> {
  const { publicKey, secretKey } = generateKeyPair();
  const time = Date.now();
  const root = createGenesis({ network: 'bench', authorities: [publicKey], time, secretKey });
  const verifier = new ChainVerifier({ genesis: root.hash });
  const blocks = [verifier.accept(root.sealed)];
  for (const chain of ['B', 'L'] as const) {
    blocks.push(verifier.accept(deriveGenesis(root, chain, secretKey).sealed));
  }
  const chain: AppendPort = {
    async append(id, type, body) {
      const head = verifier.head(id)!;
      const block = verifier.append(
        sealBlock({
          chain: id,
          height: head.height + 1,
          prev: head.hash,
          time: Math.max(Date.now(), head.header.time),
          type,
          anchor: id === 'A' ? null : verifier.head('A')!.hash,
          log: verifier.logRoot(id, verifier.size(id)),
          body,
          secretKey,
        }),
      );
      blocks.push(block);
      return { hash: block.hash, height: block.height };
    },
    findByBody: async (id, hash) =>
      verifier.blocks(id).find((block) => equalBytes(block.header.body, hash)) ?? null,
  };
  const store = await BlobStore.open(join(dir, BLOB_DIR));
  await importModel(
    checkpoint,
    {
      name: 'random',
      format,
      source: { repository: null, revision: null },
      onProgress: ({ doneBytes, totalBytes }) => onProgress(doneBytes, totalBytes),
    },
    { store, chain, journalDir: join(dir, 'journal') },
  );
  const saved: Saved = { genesis: toHex(root.hash), blocks: blocks.map(toWire) };
  await writeFile(join(dir, CHAIN_FILE), JSON.stringify(saved));
  return { verifier, store };
}
