/** The answers of an honest main node over a small chain, and those of a few dishonest ones. */
import { openBlock } from '@blyan/chain/block';
import { signCheckpoint } from '@blyan/chain/checkpoint';
import { encode } from '@blyan/chain/codec';
import { toHex } from '@blyan/chain/hex';
import { toWire } from '@blyan/chain/json';
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  leafHashes,
  rootOfBytes,
  rootOfLeaves,
  splitLeafList,
} from '@blyan/chain/merkle';
import type { ChainId, LayerBody, SealedBlock } from '@blyan/chain/types';
import type { Answers } from '../../recorded.ts';
import { type Bytes, bytesOf } from '../../support.ts';
import { type Name, START, secret } from './scenario.ts';

export type Chains = Record<ChainId, SealedBlock[]>;

const hashesOf = (blocks: readonly SealedBlock[]) => blocks.map((block) => openBlock(block).hash);
const leavesOf = (blocks: readonly SealedBlock[]) => hashesOf(blocks).map(leafHash);

export const checkpointPath = (chain: ChainId) => `/chain/${chain}/checkpoint`;
export const pagePath = (chain: ChainId, from = 0) =>
  `/chain/${chain}/blocks?from=${from}&limit=100&bodies=1`;
export const blockPath = (chain: ChainId, block: SealedBlock, format: 'cbor' | 'header') =>
  `/chain/${chain}/block/${toHex(openBlock(block).hash)}?format=${format}`;
export const inclusionPath = (chain: ChainId, height: number, size: number) =>
  `/proofs/inclusion?chain=${chain}&height=${height}&size=${size}`;
export const chunkPath = (root: string, index: number) =>
  `/proofs/chunk?root=${root}&index=${index}`;

export const cbor = ({ header, body, signature }: SealedBlock) => ({
  bytes: toHex(encode({ header, body, signature })),
});

export function signHead(
  chain: ChainId,
  blocks: readonly SealedBlock[],
  by: Name = 'alice',
  time = START + 1_000_000,
) {
  const hashes = hashesOf(blocks);
  return signCheckpoint(
    {
      chain,
      size: blocks.length,
      head: hashes.at(-1)!,
      log: rootOfLeaves(hashes.map(leafHash)),
      time,
    },
    secret(by),
  );
}

export const checkpointAnswer = (bytes: Uint8Array) => ({
  json: { bytes: Buffer.from(bytes).toString('base64') },
});

/** What changes when a chain has other blocks: its page, its head and its proofs. */
export function recordChain(chain: ChainId, blocks: readonly SealedBlock[]): Answers {
  const answers: Answers = {};
  const leaves = leavesOf(blocks);
  const size = blocks.length;
  answers[checkpointPath(chain)] = checkpointAnswer(signHead(chain, blocks));
  const wires = blocks.map((block) => toWire(openBlock(block)));
  answers[pagePath(chain)] = { json: { blocks: wires } };
  if (chain === 'A') return answers;
  blocks.forEach((block, height) => {
    answers[blockPath(chain, block, 'cbor')] = cbor(block);
    answers[blockPath(chain, block, 'header')] = { bytes: toHex(block.header) };
    answers[inclusionPath(chain, height, size)] = {
      json: { path: inclusionProof(leaves, height).map(toHex) },
    };
    if (height === 0) return;
    const at = `/proofs/consistency?chain=${chain}&from=${height}&to=${size}`;
    answers[at] = { json: { path: consistencyProof(leaves, height).map(toHex) } };
  });
  return answers;
}

/** A blob with its leaves and the proof of every chunk. */
export function recordBlob(spec: Bytes): Answers {
  const bytes = bytesOf(spec);
  const root = toHex(rootOfBytes(bytes));
  const list = leafHashes(bytes);
  const leaves = splitLeafList(list);
  const answers: Answers = {
    [`/blobs/${root}`]: { bytes: spec },
    [`/blobs/${root}/leaves`]: { bytes: toHex(list) },
  };
  leaves.forEach((leaf, index) => {
    const path = inclusionProof(leaves, index).map(toHex);
    answers[chunkPath(root, index)] = { json: { leaf: toHex(leaf), size: leaves.length, path } };
  });
  return answers;
}

/** Which layer block a tensor is in. */
export function recordTensors(blocks: readonly SealedBlock[]): Answers {
  const answers: Answers = {};
  for (const sealed of blocks.slice(1)) {
    const block = openBlock(sealed);
    for (const { root } of (block.body as LayerBody).tensors) {
      answers[`/tensors/${toHex(root)}`] ??= { json: { uses: [{ block: toHex(block.hash) }] } };
    }
  }
  return answers;
}
