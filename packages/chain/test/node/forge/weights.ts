import { signCheckpoint } from '@blyan/chain/checkpoint';
import { decode, encode } from '@blyan/chain/codec';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { LEAF_SIZE, leafHashes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { SealedBlock } from '@blyan/chain/types';
import { bytesOf } from '../../support.ts';
import {
  CONFIG,
  flip,
  type Name,
  type Scenario,
  START,
  secret,
  vectorOf,
  WEIGHTS,
} from './scenario.ts';

export function forgeWeights(scenario: Scenario, { last, end }: { last: string; end: string }) {
  const { verifier, forgeries, next, model } = scenario;
  const embed = toHex(verifier.at('B', 1)!.hash);
  const leaves = toHex(leafHashes(bytesOf(WEIGHTS)));
  const inTensor = {
    op: 'tensor',
    after: last,
    block: embed,
    tensor: 'embed.weight',
    bytes: WEIGHTS,
  } as const;
  const whereTensor = { chain: 'B', height: 1, tensor: 'embed.weight' };
  const size = 2 * LEAF_SIZE + 1000;
  forgeries.push(
    {
      ...inTensor,
      name: 'flipped-bit',
      comment: 'one bit in the second chunk',
      code: 'LEAF_MISMATCH',
      details: { ...whereTensor, chunk: 1 },
      bytes: { pattern: size, flip: LEAF_SIZE + 12_345 },
      leaves,
    },
    {
      ...inTensor,
      name: 'flipped-last-byte',
      comment: 'in the short last chunk',
      code: 'LEAF_MISMATCH',
      details: { ...whereTensor, chunk: 2 },
      bytes: { pattern: size, flip: size - 1 },
      leaves,
    },
    {
      ...inTensor,
      name: 'flipped-bit-no-leaves',
      comment: 'without the list only the root can be named',
      code: 'ROOT_MISMATCH',
      details: whereTensor,
      bytes: { pattern: size, flip: 0 },
    },
    {
      ...inTensor,
      name: 'flipped-leaf',
      comment: 'a lying list of leaf hashes',
      code: 'LEAF_LIST_MISMATCH',
      details: whereTensor,
      leaves: `00${leaves.slice(2)}`,
    },
    {
      ...inTensor,
      name: 'short-leaf-list',
      comment: 'a list of two leaves for three chunks',
      code: 'LEAF_LIST_MISMATCH',
      details: whereTensor,
      leaves: leaves.slice(0, 128),
    },
    {
      ...inTensor,
      name: 'cut-tensor',
      comment: 'a byte is missing',
      code: 'BYTE_LENGTH',
      details: whereTensor,
      bytes: { pattern: size - 1 },
      leaves,
    },
    {
      ...inTensor,
      name: 'unknown-tensor',
      comment: 'a name that the block does not list',
      code: 'TENSOR_UNKNOWN',
      tensor: 'lm_head.weight',
      details: { chain: 'B', height: 1, tensor: 'lm_head.weight' },
    },
  );

  const modelHash = toHex(verifier.at('A', 1)!.hash);
  const inFile = {
    op: 'file',
    after: last,
    model: modelHash,
    path: 'config.json',
    bytes: toHex(CONFIG),
  } as const;
  const lying = next(
    'A',
    'model',
    model({
      name: 'lying',
      files: [{ ...model().files[0]!, sha256: sha256() }],
      layers: [
        { group: 'embedding', block: verifier.at('B', 2)!.hash },
        { group: 'norm', block: verifier.at('B', 3)!.hash },
      ],
    }),
    'alice',
  );
  const lyingHash = toHex(blockHash(lying.header));
  const swapped = next(
    'A',
    'model',
    model({ name: 'swapped', layers: [...model().layers].reverse() }),
    'alice',
  );
  const dangling = next(
    'A',
    'model',
    model({
      name: 'dangling',
      layers: [
        { group: 'embedding', block: sha256() },
        { group: 'norm', block: sha256() },
      ],
    }),
    'alice',
  );
  const on = (sealed: SealedBlock) => ({ after: end, also: [vectorOf(sealed)] });
  const hashOf = (sealed: SealedBlock) => toHex(blockHash(sealed.header));
  forgeries.push(
    {
      ...inFile,
      name: 'changed-file',
      comment: 'one bit of the configuration',
      code: 'ROOT_MISMATCH',
      details: { chain: 'A', height: 1, file: 'config.json' },
      bytes: toHex(flip(CONFIG, 3)),
    },
    {
      ...inFile,
      name: 'cut-file',
      comment: 'a byte is missing',
      code: 'BYTE_LENGTH',
      bytes: toHex(CONFIG.slice(1)),
    },
    {
      ...inFile,
      name: 'file-sha256',
      comment: 'a model block whose root and SHA-256 are of two files',
      code: 'FILE_HASH',
      ...on(lying),
      model: lyingHash,
    },
    {
      ...inFile,
      name: 'copied-entry',
      comment: 'an entry that was not read off a verified block',
      code: 'FILE_UNKNOWN',
      copied: true,
    },
    {
      name: 'layers-wrong-block',
      comment: 'the embedding is a block that holds layer.0',
      code: 'MODEL_LAYERS',
      op: 'model',
      ...on(lying),
      model: lyingHash,
    },
    {
      name: 'layers-order',
      comment: 'norm before embedding',
      code: 'MODEL_LAYERS',
      op: 'model',
      ...on(swapped),
      model: hashOf(swapped),
    },
    {
      name: 'layers-missing',
      comment: 'layer blocks that chain B does not have',
      code: 'MODEL_LAYERS',
      op: 'model',
      ...on(dangling),
      model: hashOf(dangling),
    },
    {
      name: 'unknown-model',
      comment: 'no block has this hash',
      code: 'BLOCK_UNKNOWN',
      op: 'require',
      after: last,
      hash: toHex(sha256()),
      type: 'model',
    },
    {
      name: 'model-of-other-type',
      comment: 'the hash of a layer block',
      code: 'BLOCK_UNKNOWN',
      op: 'require',
      after: last,
      hash: embed,
      type: 'model',
    },
  );

  const checkpoint = (size: number, who: Name, change: object = {}) =>
    signCheckpoint(
      {
        chain: 'B',
        size,
        head: verifier.at('B', size - 1)!.hash,
        log: verifier.logRoot('B', size),
        time: START,
        ...change,
      },
      secret(who),
    );
  const cp5 = checkpoint(5, 'alice');
  const envelope = decode(cp5, cp5.length) as { checkpoint: Uint8Array };
  const inner = decode(envelope.checkpoint, cp5.length) as Record<string, unknown>;
  const cp4 = checkpoint(4, 'alice');
  const cp4Other = checkpoint(4, 'alice', { log: sha256() });
  const cp4Head = checkpoint(4, 'alice', { head: sha256() });
  const proof = verifier.consistencyProof('B', 4).map(toHex);
  forgeries.push(
    {
      name: 'checkpoint-noise',
      comment: 'not DAG-CBOR',
      code: 'CHECKPOINT_INVALID',
      op: 'checkpoint',
      bytes: 'ff',
    },
    {
      name: 'checkpoint-fields',
      comment: 'canonical, but of another form',
      code: 'CHECKPOINT_INVALID',
      op: 'checkpoint',
      bytes: toHex(encode({ checkpoint: encode({}), signature: new Uint8Array(64) })),
    },
    {
      name: 'checkpoint-version',
      comment: 'true is not the version 1',
      code: 'CHECKPOINT_INVALID',
      op: 'checkpoint',
      bytes: toHex(encode({ ...envelope, checkpoint: encode({ ...inner, v: true }) })),
    },
    {
      name: 'checkpoint-long',
      comment: 'over its bound',
      code: 'CHECKPOINT_INVALID',
      op: 'checkpoint',
      bytes: '00'.repeat(1025),
    },
    {
      name: 'checkpoint-signature',
      comment: 'one bit of the signature',
      code: 'SIGNATURE_INVALID',
      op: 'checkpoint',
      bytes: toHex(flip(cp5, 60)),
    },
    {
      name: 'checkpoint-removed-author',
      comment: 'bob is no authority any more',
      code: 'AUTHOR_UNLISTED',
      op: 'checkpointAuthor',
      after: last,
      bytes: toHex(checkpoint(5, 'bob')),
    },
    {
      name: 'rollback',
      comment: 'the chain is shown shorter than it was',
      code: 'CHECKPOINT_ROLLBACK',
      op: 'checkpointHistory',
      after: 'A2',
      bytes: toHex(cp5),
    },
    {
      name: 'fork',
      comment: 'the chain is shown with another history',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointHistory',
      after: last,
      bytes: toHex(cp4Other),
    },
    {
      name: 'rollback-checkpoint',
      comment: 'a smaller checkpoint after a larger one',
      code: 'CHECKPOINT_ROLLBACK',
      op: 'checkpointAgainst',
      older: toHex(cp5),
      newer: toHex(cp4),
      proof: [],
    },
    {
      name: 'fork-checkpoint',
      comment: 'no proof leads from the other history',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointAgainst',
      older: toHex(cp4Other),
      newer: toHex(cp5),
      proof,
    },
    {
      name: 'fork-proof',
      comment: 'right checkpoints, a proof that lacks a node',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointAgainst',
      older: toHex(cp4),
      newer: toHex(cp5),
      proof: proof.slice(1),
    },
    {
      name: 'fork-same-size',
      comment: 'two checkpoints of one size',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointAgainst',
      older: toHex(cp4Other),
      newer: toHex(cp4),
      proof: [],
    },
    {
      name: 'fork-head',
      comment: 'the log of the chain, but another head',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointHistory',
      after: last,
      bytes: toHex(cp4Head),
    },
    {
      name: 'fork-same-log',
      comment: 'two checkpoints of one size and log that name two heads',
      code: 'CHECKPOINT_FORK',
      op: 'checkpointAgainst',
      older: toHex(cp4),
      newer: toHex(cp4Head),
      proof: [],
    },
  );
}
