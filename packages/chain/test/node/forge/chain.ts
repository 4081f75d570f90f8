import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { sha256 } from '@blyan/chain/sha256';
import { bytesOf } from '../../support.ts';
import { key, layer, type Scenario, START, secret, tensor, vectorOf, WEIGHTS } from './scenario.ts';

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

  refuse(
    'LOG_MISMATCH',
    'accept',
    'second-block-wrong-log',
    'a second B2 whose log is not the one that was there: no evidence, as it was never valid',
    next('B', 'layer', layer('head'), 'bob', {
      height: 2,
      anchor: verifier.at('A', 0)!.hash,
      log: sha256(),
    }),
  );

  // Blocks of another network.
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
  add('carol leaves', next('A', 'authority', { action: 'remove', key: key('carol') }, 'alice'));
  const end = at();
  refuse(
    'AUTHORITY_LAST',
    'accept',
    'remove-last',
    'alice is the only authority left and removes herself',
    next('A', 'authority', { action: 'remove', key: key('alice') }, 'alice'),
  );
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
