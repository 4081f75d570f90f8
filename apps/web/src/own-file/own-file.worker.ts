/**
 * A reader's own file, in a thread of its own: first the model's blocks are verified against the pinned
 * genesis, then the file is read once and compared with what they record. Nothing of it leaves this machine.
 */
import { isType, type OpenedBlock, openBlockAs } from '@blyan/chain/block';
import { decode } from '@blyan/chain/codec';
import { fromHex, toHex } from '@blyan/chain/hex';
import type { ChainId, SealedBlock } from '@blyan/chain/types';
import { type Step, Walker } from '@blyan/chain/walk';
import { httpBytes } from '@blyan/chain/walk-http';
import { checkFile, type Recorded } from './check-file.ts';
import type { OwnFileReply, OwnFileRequest } from './messages.ts';

/** Header, body, signature and the map that holds them: the bound of docs/chain.md. */
const MAX_BLOCK_BYTES = 2 ** 20 + 1280;

const reply = (message: OwnFileReply) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<OwnFileRequest>) => {
  run(data).catch((error: unknown) =>
    reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
};

async function run({ base, genesis, model, file }: OwnFileRequest): Promise<void> {
  const fetchBytes = httpBytes(base);
  const failed = await verifyBlocks(fetchBytes, genesis, model);
  reply({ kind: 'chain', failed });
  if (failed) return;
  const recorded = await readRecorded(fetchBytes, model);
  for await (const message of checkFile(file, recorded)) reply(message);
}

type Fetch = ReturnType<typeof httpBytes>;

/** The model's block and its layer blocks, without the weights. */
async function verifyBlocks(fetchBytes: Fetch, genesis: string, model: string) {
  const walker = new Walker({ genesis: fromHex(genesis), fetchBytes });
  let failed: Step | null = null;
  const target = { kind: 'model', model: fromHex(model), weights: false } as const;
  for await (const event of walker.walk(target)) {
    if (event.kind === 'verdict') failed = event.failed;
  }
  return failed;
}

/** Blocks by the hashes that were just verified: `openBlockAs` refuses every other one. */
async function readRecorded(fetchBytes: Fetch, model: string): Promise<Recorded> {
  const block = await read(fetchBytes, 'A', fromHex(model));
  if (!isType(block, 'model')) throw new Error('This block is no model.');
  const layers = await Promise.all(
    block.body.layers.map((layer) => read(fetchBytes, 'B', layer.block)),
  );
  const tensors = layers.flatMap((layer) => (isType(layer, 'layer') ? layer.body.tensors : []));
  return { files: block.body.source.files, tensors };
}

async function read(fetchBytes: Fetch, chain: ChainId, hash: Uint8Array): Promise<OpenedBlock> {
  const path = `/chain/${chain}/block/${toHex(hash)}?format=cbor`;
  const bytes = await fetchBytes(path, { maxBytes: MAX_BLOCK_BYTES });
  return openBlockAs(hash, decode(bytes, MAX_BLOCK_BYTES) as unknown as SealedBlock);
}
