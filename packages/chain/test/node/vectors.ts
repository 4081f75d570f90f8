/**
 * Writes `vectors/chain.json` and `vectors/forgeries.json`. Everything is fixed (keys, times), so
 * that a second run writes the same bytes; a difference is a change of the specification.
 */
import { writeFileSync } from 'node:fs';
import { openBlock } from '@blyan/chain/block';
import { bodyHash } from '@blyan/chain/body';
import { signCheckpoint } from '@blyan/chain/checkpoint';
import { encode } from '@blyan/chain/codec';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { toWire } from '@blyan/chain/json';
import { publicKeyOf, sign } from '@blyan/chain/keys';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import { LEAF_SIZE, leafHashes, rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type {
  BlockType,
  ChainId,
  ModelBody,
  SealedBlock,
  TensorDescriptor,
} from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import {
  type BlockVector,
  type Bytes,
  bytesOf,
  type ChainVectors,
  type Forgery,
  type SealedVector,
} from '../support.ts';

const START = Date.UTC(2026, 0, 1);
const names = ['alice', 'bob', 'carol', 'mallory'] as const;
type Name = (typeof names)[number];
const secret = (name: Name) => new Uint8Array(32).fill(names.indexOf(name) + 1);
const key = (name: Name) => publicKeyOf(secret(name));

const WEIGHTS: Bytes = { pattern: 2 * LEAF_SIZE + 1000 };
const CONFIG = new TextEncoder().encode('{"model_type":"qwen3"}');

function tensor(name: string, bytes: Uint8Array): TensorDescriptor {
  const root = rootOfBytes(bytes);
  return {
    name,
    role: 'weight',
    dtype: 'bf16',
    shape: [bytes.length / 2],
    format: 'bf16',
    byteLength: bytes.length,
    leafSize: LEAF_SIZE,
    root,
    source: { file: sha256(bytes), offset: 0, length: bytes.length, root },
    recipe: { name: 'raw', version: 1 },
  };
}

const genesis = createGenesis({
  network: 'vectors',
  authorities: [key('alice'), key('bob')],
  time: START,
  secretKey: secret('alice'),
});
const verifier = new ChainVerifier({ genesis: genesis.hash });
const blocks: BlockVector[] = [];

const vectorOf = ({ header, body, signature }: SealedBlock): SealedVector => ({
  header: toHex(header),
  body: toHex(body),
  signature: toHex(signature),
});

function add(comment: string, sealed: SealedBlock): void {
  const block = verifier.append(sealed);
  const name = `${block.chain}${block.height}`;
  blocks.push({ name, comment, hash: toHex(block.hash), ...vectorOf(sealed) });
}

/** A right next block of a chain, but for what `change` says. Bodies of it may be of any form. */
function next(
  chain: ChainId,
  type: BlockType,
  body: unknown,
  author: Name,
  change: Record<string, unknown> = {},
): SealedBlock {
  const height = (change.height as number | undefined) ?? verifier.size(chain);
  const below = verifier.at(chain, Math.min(height, verifier.size(chain)) - 1);
  const bytes = body instanceof Uint8Array ? body : encode(body);
  const header = encode({
    v: 1,
    chain,
    height,
    prev: below?.hash ?? null,
    time: (below?.header.time ?? START) + 1000,
    type,
    body: bodyHash(bytes),
    bodyLength: bytes.length,
    anchor: chain === 'A' ? null : (verifier.head('A')?.hash ?? null),
    log: verifier.logRoot(chain, Math.min(height, verifier.size(chain))),
    author: key(author),
    ...change,
  });
  return { header, body: bytes, signature: sign(blockHash(header), secret(author)) };
}

const layer = (group: string, tensors = [tensor(`${group}.weight`, CONFIG)]) => ({
  group,
  tensors,
});

const model = (change: Partial<ModelBody> = {}): ModelBody => ({
  name: 'demo',
  family: 'qwen3',
  parameters: 1000,
  files: [
    {
      path: 'config.json',
      byteLength: CONFIG.length,
      sha256: sha256(CONFIG),
      root: rootOfBytes(CONFIG),
    },
  ],
  layers: [1, 2, 3].map((height) => {
    const block = verifier.at('B', height)!;
    return { group: (block.body as { group: string }).group, block: block.hash };
  }),
  recipe: { name: 'raw', version: 1 },
  source: {
    repository: 'example/demo',
    revision: null,
    files: [{ path: 'model.safetensors', byteLength: 4, sha256: sha256() }],
  },
  ...change,
});

add('genesis of the network, two authorities', genesis.sealed);
add('derived from A0', deriveGenesis(genesis, 'B', secret('alice')).sealed);
add('derived from A0', deriveGenesis(genesis, 'L', secret('alice')).sealed);
const weights = tensor('embed.weight', bytesOf(WEIGHTS));
add('three chunks', next('B', 'layer', layer('embedding', [weights]), 'alice'));
add('by the other authority', next('B', 'layer', layer('layer.0'), 'bob'));
add('one chunk', next('B', 'layer', layer('norm'), 'alice'));
add('names B1 to B3', next('A', 'model', model(), 'bob'));
add('carol joins', next('A', 'authority', { action: 'add', key: key('carol') }, 'alice'));

const forgeries: Forgery[] = [];
const at = () => blocks.at(-1)!.name;
const refuse = (
  code: string,
  op: 'accept' | 'append',
  name: string,
  comment: string,
  s: SealedBlock,
) => forgeries.push({ name, comment, code, op, after: at(), sealed: vectorOf(s) });

refuse(
  'AUTHORITY_KNOWN',
  'accept',
  'add-twice',
  'carol is an authority already',
  next('A', 'authority', { action: 'add', key: key('carol') }, 'alice'),
);
refuse(
  'AUTHORITY_UNKNOWN',
  'accept',
  'remove-stranger',
  'mallory never was one',
  next('A', 'authority', { action: 'remove', key: key('mallory') }, 'alice'),
);
refuse(
  'AUTHOR_UNLISTED',
  'accept',
  'admit-oneself',
  'mallory adds her own key',
  next('A', 'authority', { action: 'add', key: key('mallory') }, 'mallory'),
);
const backdated = next('B', 'layer', layer('layer.1'), 'bob');

add(
  'bob leaves, written by alice',
  next('A', 'authority', { action: 'remove', key: key('bob') }, 'alice'),
);
refuse(
  'ANCHOR_STALE',
  'append',
  'backdate-append',
  'bob, just removed, anchors at a block where he was listed: no writer takes it',
  backdated,
);
refuse(
  'AUTHOR_UNLISTED',
  'accept',
  'removed-author',
  'bob writes after his removal',
  next('B', 'layer', layer('layer.1'), 'bob'),
);
add('by carol', next('B', 'layer', layer('layer.1'), 'carol'));
refuse(
  'ANCHOR_BACKWARDS',
  'accept',
  'backdate-anchor',
  'bob, removed at A3, anchors at A2 above a block that is anchored at A3',
  next('B', 'layer', layer('head'), 'bob', { anchor: verifier.at('A', 2)!.hash }),
);
add(
  'demo is retired',
  next('A', 'retire', { model: verifier.at('A', 1)!.hash, reason: 'replaced' }, 'carol'),
);
const last = at();

refuse(
  'AUTHOR_UNLISTED',
  'accept',
  'stranger',
  'a right block but for its author',
  next('B', 'layer', layer('head'), 'mallory'),
);
refuse(
  'ANCHOR_UNKNOWN',
  'accept',
  'anchor-unknown',
  'anchored at a block that chain A does not have',
  next('B', 'layer', layer('head'), 'alice', { anchor: sha256() }),
);
refuse(
  'PREV_MISMATCH',
  'accept',
  'wrong-prev',
  'prev is the block two below',
  next('B', 'layer', layer('head'), 'alice', { prev: verifier.at('B', 3)!.hash }),
);
refuse(
  'HEIGHT_GAP',
  'accept',
  'missing-block',
  'a block is left out',
  next('B', 'layer', layer('head'), 'alice', { height: verifier.size('B') + 1 }),
);
refuse(
  'LOG_MISMATCH',
  'accept',
  'wrong-log',
  'log is the root of the empty tree',
  next('B', 'layer', layer('head'), 'alice', { log: sha256() }),
);
refuse(
  'TIME_BACKWARDS',
  'accept',
  'older-time',
  'a millisecond before the block below',
  next('B', 'layer', layer('head'), 'alice', { time: verifier.head('B')!.header.time - 1 }),
);
const second = next('B', 'layer', layer('head'), 'bob', {
  height: 2,
  anchor: verifier.at('A', 0)!.hash,
});
forgeries.push({
  name: 'second-block',
  comment: 'bob wrote another B2 when he had the right to: evidence, and the chain unchanged',
  code: 'EQUIVOCATION',
  details: {
    chain: 'B',
    height: 2,
    hash: toHex(verifier.at('B', 2)!.hash),
    other: toHex(blockHash(second.header)),
  },
  op: 'accept',
  after: last,
  sealed: vectorOf(second),
});
refuse(
  'AUTHOR_UNLISTED',
  'accept',
  'second-block-by-stranger',
  'a second B2 by a stranger is no evidence against anybody',
  next('B', 'layer', layer('head'), 'mallory', { height: 2, anchor: verifier.at('A', 0)!.hash }),
);

// The last authority, in a network of one.
{
  const alone = createGenesis({
    network: 'alone',
    authorities: [key('alice')],
    time: START,
    secretKey: secret('alice'),
  });
  const foreign = vectorOf(alone.sealed);
  forgeries.push({
    name: 'other-network',
    comment: 'a right genesis, but not the pinned one',
    code: 'GENESIS_MISMATCH',
    op: 'accept',
    after: '',
    sealed: foreign,
  });
  forgeries.push({
    name: 'derived-from-other',
    comment: 'genesis of B from another network',
    code: 'GENESIS_MISMATCH',
    op: 'accept',
    after: 'A0',
    sealed: vectorOf(deriveGenesis(alone, 'B', secret('alice')).sealed),
  });
}
refuse(
  'AUTHORITY_LAST',
  'accept',
  'remove-last',
  'after carol and alice removed each other only one is left',
  (() => {
    const drop = next('A', 'authority', { action: 'remove', key: key('carol') }, 'alice');
    add('carol leaves', drop);
    return next('A', 'authority', { action: 'remove', key: key('alice') }, 'alice');
  })(),
);
const end = at();
forgeries.at(-1)!.comment = 'alice is the only authority left and removes herself';
(forgeries.at(-1) as { after: string }).after = end;
forgeries.push({
  name: 'derived-first',
  comment: 'chain B before chain A',
  code: 'GENESIS_MISSING',
  op: 'accept',
  after: '',
  sealed: blocks[1]!,
});

const open = (code: string, name: string, comment: string, sealed: SealedVector) =>
  forgeries.push({ name, comment, code, op: 'open', sealed });
const good = next('B', 'layer', layer('head'), 'alice');
const goodV = vectorOf(good);
const flip = (bytes: Uint8Array, i: number) => bytes.map((byte, j) => (i === j ? byte ^ 1 : byte));
open('HEADER_TOO_LARGE', 'large-header', 'refused before it is parsed', {
  ...goodV,
  header: { zeros: 1025 },
});
open('BODY_TOO_LARGE', 'large-body', 'refused before it is hashed', {
  ...goodV,
  body: { zeros: MAX_BODY_BYTES + 1 },
});
open(
  'BODY_LENGTH',
  'cut-body',
  'the last byte is missing',
  vectorOf({ ...good, body: good.body.slice(0, -1) }),
);
open(
  'BODY_HASH',
  'changed-body',
  'one bit of the body',
  vectorOf({ ...good, body: flip(good.body, 9) }),
);
open(
  'SIGNATURE_INVALID',
  'changed-signature',
  'one bit of the signature',
  vectorOf({ ...good, signature: flip(good.signature, 5) }),
);
open(
  'SIGNATURE_INVALID',
  'other-signer',
  'signed by mallory, in the name of alice',
  vectorOf({ ...good, signature: sign(blockHash(good.header), secret('mallory')) }),
);
open(
  'SIGNATURE_INVALID',
  'changed-header',
  'the time, so that the hash is another one',
  vectorOf({
    ...next('B', 'layer', layer('head'), 'alice', { time: START + 77_000 }),
    signature: good.signature,
  }),
);
open(
  'SIGNATURE_INVALID',
  'small-order-author',
  'the neutral element as key, whose signatures fit anything',
  vectorOf({
    ...next('B', 'layer', layer('head'), 'alice', {
      author: Uint8Array.of(1, ...new Uint8Array(31)),
    }),
    signature: Uint8Array.of(1, ...new Uint8Array(63)),
  }),
);
const headerCases: [string, string, Record<string, unknown>][] = [
  ['version', 'v 2', { v: 2 }],
  ['extra-field', 'a field that v1 does not have', { extra: 1 }],
  ['short-prev', 'prev of 31 bytes', { prev: new Uint8Array(31) }],
  ['negative-height', 'height -1', { height: -1 }],
  ['no-anchor', 'chain B without an anchor', { anchor: null }],
  ['genesis-above', 'a genesis at height 5', { type: 'genesis' }],
  ['no-prev', 'no prev at height 5', { prev: null }],
  ['length-bound', 'announces a body over the bound', { bodyLength: MAX_BODY_BYTES + 1 }],
];
for (const [name, comment, change] of headerCases) {
  const height = change.height === -1 ? {} : { height: 5 };
  open(
    'HEADER_INVALID',
    `header-${name}`,
    comment,
    vectorOf(next('B', 'layer', layer('head'), 'alice', { ...height, ...change })),
  );
}
open(
  'BLOCK_TYPE',
  'layer-on-a',
  'a layer block on chain A',
  vectorOf(next('A', 'layer', layer('head'), 'alice')),
);
open('BLOCK_TYPE', 'epoch', 'epochs have no body yet', vectorOf(next('L', 'epoch', {}, 'alice')));
const embedding = tensor('t', CONFIG);
const bodyCases: [string, string, unknown][] = [
  ['extra-field', 'a field that the type does not have', { ...layer('head'), extra: 1 }],
  ['no-tensors', 'a layer without tensors', { group: 'head', tensors: [] }],
  ['group', 'a group that does not exist', layer('layer.01')],
  ['twice', 'one tensor twice', layer('head', [embedding, embedding])],
  ['short-root', 'a root of 31 bytes', layer('head', [{ ...embedding, root: new Uint8Array(31) }])],
  ['leaf-size', 'leaves of 512 KiB', layer('head', [{ ...embedding, leafSize: LEAF_SIZE / 2 }])],
  ['shape', 'a shape that the bytes do not fill', layer('head', [{ ...embedding, shape: [3, 5] }])],
  [
    'rank',
    'nine dimensions',
    layer('head', [{ ...embedding, shape: [11, 1, 1, 1, 1, 1, 1, 1, 1] }]),
  ],
  [
    'long-name',
    'a name of 257 characters',
    layer('head', [{ ...embedding, name: 'x'.repeat(257) }]),
  ],
  ['control', 'a line break in a name', layer('head', [{ ...embedding, name: 'a\nb' }])],
];
for (const [name, comment, body] of bodyCases) {
  open('BODY_INVALID', `body-${name}`, comment, vectorOf(next('B', 'layer', body, 'alice')));
}
for (const path of ['../x', '/x', 'a//b', 'a\\b', '.', '']) {
  const files = model().files.map((file) => ({ ...file, path }));
  open(
    'BODY_INVALID',
    `body-path-${path || 'empty'}`,
    'a path out of the checkpoint, or not of one spelling',
    vectorOf(next('A', 'model', { ...model(), files }, 'alice')),
  );
}
open(
  'BODY_INVALID',
  'body-genesis-kind',
  'a genesis of chain A with the body of a derived one',
  vectorOf(
    next('A', 'genesis', { network: 'x', root: sha256() }, 'alice', {
      height: 0,
      prev: null,
      log: sha256(),
    }),
  ),
);
open(
  'CODEC_INVALID',
  'body-float',
  'a float in a body',
  vectorOf(next('B', 'layer', Uint8Array.of(0xf9, 0x3c, 0), 'alice')),
);
forgeries.push({
  name: 'other-hash',
  comment: 'a right block, but not the one asked for',
  code: 'HASH_MISMATCH',
  op: 'openAs',
  sealed: goodV,
  hash: toHex(sha256()),
});

const wire = toWire(openBlock(good));
const wireCases: [string, string, unknown][] = [
  ['not-object', 'an array', []],
  ['extra', 'an extra field', { ...wire, extra: 1 }],
  ['capitals', 'capitals in the hash', { ...wire, hash: wire.hash.toUpperCase() }],
  [
    'base64',
    'base64 without padding or with white space',
    { ...wire, bodyBytes: `${wire.bodyBytes.slice(0, -4)}====` },
  ],
  ['other-height', 'another height than the header has', { ...wire, height: 1 }],
  ['other-chain', 'another chain than the header has', { ...wire, chain: 'A' }],
  ['long-header', 'a header text over its bound', { ...wire, headerBytes: 'A'.repeat(1372) }],
];
for (const [name, comment, json] of wireCases) {
  forgeries.push({ name: `wire-${name}`, comment, code: 'WIRE_INVALID', op: 'wire', json });
}

const hex = (text: string) => text.replaceAll(' ', '');
const codecCases: [string, string][] = [
  ['', 'nothing'],
  ['18 17', '23 in two bytes'],
  ['19 00 ff', '255 in three bytes'],
  ['1a 00 00 ff ff', '65535 in five bytes'],
  ['1b 00 00 00 00 ff ff ff ff', '2^32-1 in nine bytes'],
  ['1b 00 20 00 00 00 00 00 00', '2^53'],
  ['3b 00 1f ff ff ff ff ff ff', '-2^53'],
  ['f9 3c 00', 'a half float'],
  ['fb 3f f0 00 00 00 00 00 00', 'a float, 1.0'],
  ['f7', 'undefined'],
  ['f8 20', 'a simple value'],
  ['5f 41 61 ff', 'an indefinite byte string'],
  ['7f 61 61 ff', 'an indefinite text'],
  ['9f 01 ff', 'an indefinite array'],
  ['bf 61 61 01 ff', 'an indefinite map'],
  ['1c', 'a reserved length'],
  ['c0 01', 'a tag'],
  ['d8 2a 41 00', 'a link'],
  ['a2 61 61 01 61 61 02', 'a key twice'],
  ['a2 61 62 01 61 61 02', 'keys out of order'],
  ['a2 62 61 61 01 61 62 02', 'a longer key first'],
  ['a1 01 01', 'a key that is not text'],
  ['a1 41 61 01', 'a key of bytes'],
  ['61 ff', 'text that is not UTF-8'],
  ['63 ed a0 80', 'a surrogate in UTF-8'],
  ['62 c1 81', 'an overlong UTF-8 form'],
  ['42 01', 'a cut byte string'],
  ['19 01', 'a cut integer'],
  ['82 01', 'a cut array'],
  ['a1 61 61', 'a cut map'],
  ['9b 00 00 00 ff ff ff ff ff', 'a count that lies'],
  ['01 01', 'two values'],
  ['81 81 81 81 81 81 81 81 81 01', 'nine levels'],
];
for (const [bytes, comment] of codecCases) {
  forgeries.push({
    name: `codec ${bytes || 'empty'}`,
    comment,
    code: 'CODEC_INVALID',
    op: 'decode',
    bytes: hex(bytes),
    bound: 1024,
  });
}
forgeries.push({
  name: 'codec bound',
  comment: 'over the bound of the reader',
  code: 'CODEC_INVALID',
  op: 'decode',
  bytes: { zeros: 65 },
  bound: 64,
});

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
const cp4 = checkpoint(4, 'alice');
const cp4Other = checkpoint(4, 'alice', { log: sha256() });
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
);

const chain: ChainVectors = {
  genesis: toHex(genesis.hash),
  keys: Object.fromEntries(
    names.map((name) => [name, { secretKey: toHex(secret(name)), publicKey: toHex(key(name)) }]),
  ),
  blocks,
  logs: {
    A: toHex(verifier.logRoot('A', verifier.size('A'))),
    B: toHex(verifier.logRoot('B', verifier.size('B'))),
    L: toHex(verifier.logRoot('L', 1)),
  },
};
const out = (name: string, value: unknown) =>
  writeFileSync(
    new URL(`../../vectors/${name}.json`, import.meta.url),
    `${JSON.stringify(value, null, 1)}\n`,
  );
out('chain', chain);
out('forgeries', forgeries);
