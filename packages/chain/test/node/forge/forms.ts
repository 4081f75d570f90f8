/** Blocks, bodies, JSON and bytes of a form that no reader takes. */
import { openBlock } from '@blyan/chain/block';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { toWire } from '@blyan/chain/json';
import { sign } from '@blyan/chain/keys';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import { LEAF_SIZE } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { SealedVector } from '../../support.ts';
import { CONFIG, flip, layer, type Scenario, START, secret, tensor, vectorOf } from './scenario.ts';

export function forgeForms(scenario: Scenario) {
  const { forgeries, next, model } = scenario;
  const open = (code: string, name: string, comment: string, sealed: SealedVector) =>
    forgeries.push({ name, comment, code, op: 'open', sealed });
  const good = next('B', 'layer', layer('head'), 'alice');
  const goodV = vectorOf(good);
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
    [
      'short-root',
      'a root of 31 bytes',
      layer('head', [{ ...embedding, root: new Uint8Array(31) }]),
    ],
    ['leaf-size', 'leaves of 512 KiB', layer('head', [{ ...embedding, leafSize: LEAF_SIZE / 2 }])],
    [
      'shape',
      'a shape that the bytes do not fill',
      layer('head', [{ ...embedding, shape: [3, 5] }]),
    ],
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
    'body-file-length',
    'a file of more than 2^20 leaves, which a walk would fetch for years',
    vectorOf(
      next(
        'A',
        'model',
        { ...model(), files: model().files.map((file) => ({ ...file, byteLength: 2 ** 40 + 1 })) },
        'alice',
      ),
    ),
  );
  open(
    'BODY_INVALID',
    'body-tensor-length',
    'a tensor of more than 2^20 leaves',
    vectorOf(
      next(
        'B',
        'layer',
        layer('head', [{ ...embedding, shape: [2 ** 39 + 1], byteLength: 2 ** 40 + 2 }]),
        'alice',
      ),
    ),
  );
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
}
