/** Grows the chain, and forges what a chain as a whole refuses on the way. */
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
} from '../../support.ts';
import { CONFIG, flip, key, layer, type Name, NAMES, type Scenario, secret, START, tensor, vectorOf, WEIGHTS } from './scenario.ts';

export function growChain(scenario: Scenario) {
  const { genesis, verifier, blocks, forgeries, add, next, model, at, refuse } = scenario;
  add('genesis of the network, two authorities', genesis.sealed);
  add('derived from A0', deriveGenesis(genesis, 'B', secret('alice')).sealed);
  add('derived from A0', deriveGenesis(genesis, 'L', secret('alice')).sealed);
  const weights = tensor('embed.weight', bytesOf(WEIGHTS));
  add('three chunks', next('B', 'layer', layer('embedding', [weights]), 'alice'));
  add('by the other authority', next('B', 'layer', layer('layer.0'), 'bob'));
  add('one chunk', next('B', 'layer', layer('norm'), 'alice'));
  add('names B1 to B3', next('A', 'model', model(), 'bob'));
  add('carol joins', next('A', 'authority', { action: 'add', key: key('carol') }, 'alice'));

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

  return { last, end };
}
