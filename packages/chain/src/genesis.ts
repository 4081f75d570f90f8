/**
 * The first blocks. Those of B and L follow from chain A's: every field of their headers is either
 * fixed or copied from it, so their hashes can be computed by anybody, and one pinned hash fixes all
 * three chains. Only the signature needs the key of chain A's author.
 */

import { isType, type OpenedBlock, openBlock, sealBlock } from './block.ts';
import { bodyHash, encodeBody, isRootGenesis } from './body.ts';
import { ChainError } from './errors.ts';
import { blockHash, encodeHeader } from './header.ts';
import { equalBytes, toHex } from './hex.ts';
import { isPublicKey, publicKeyOf } from './keys.ts';
import { emptyRoot } from './merkle.ts';
import type { ChainId, DerivedGenesisBody, Hash, Header, PublicKey } from './types.ts';

/** @throws RangeError for keys that cannot sign, or a writer that is not one of them */
export function createGenesis(input: {
  network: string;
  authorities: PublicKey[];
  time: number;
  secretKey: Uint8Array;
}): OpenedBlock<'genesis'> {
  const { network, authorities, time, secretKey } = input;
  const author = publicKeyOf(secretKey);
  if (!authorities.every(isPublicKey)) throw new RangeError('not an Ed25519 public key');
  if (!authorities.some((key) => equalBytes(key, author))) {
    throw new RangeError('the writer of the genesis must be one of its authorities');
  }
  return open({
    chain: 'A',
    height: 0,
    prev: null,
    time,
    type: 'genesis',
    anchor: null,
    log: emptyRoot(),
    body: { network, authorities },
    secretKey,
  });
}

/** @param secretKey of the author of chain A's genesis; @throws RangeError for another one */
export function deriveGenesis(
  root: OpenedBlock,
  chain: 'B' | 'L',
  secretKey: Uint8Array,
): OpenedBlock<'genesis'> {
  if (!equalBytes(publicKeyOf(secretKey), root.header.author)) {
    throw new RangeError('only the author of the genesis of chain A can sign the derived ones');
  }
  const body = derivedBody(root);
  const { author: _, v: __, body: ___, bodyLength: ____, ...fields } = derivedHeader(root, chain);
  return open({ ...fields, type: 'genesis', body, secretKey });
}

/** Hash of the genesis of B or L, from chain A's alone. */
export function derivedGenesisHash(root: OpenedBlock, chain: 'B' | 'L'): Hash {
  return blockHash(encodeHeader(derivedHeader(root, chain)));
}

/**
 * Whether an opened block is the genesis of its chain.
 * @param pinned hash of chain A's genesis; @param root chain A's genesis, for chains B and L
 * @throws ChainError GENESIS_MISMATCH, AUTHOR_UNLISTED, GENESIS_MISSING
 */
export function checkGenesis(
  block: OpenedBlock,
  pinned: Hash,
  root: OpenedBlock | undefined,
): asserts block is OpenedBlock<'genesis'> {
  const { chain, author } = block.header;
  if (chain !== 'A' && !root) throw new ChainError('GENESIS_MISSING', { chain, height: 0 });
  const expected = chain === 'A' || !root ? pinned : derivedGenesisHash(root, chain);
  if (!equalBytes(block.hash, expected)) {
    const details = { chain, height: 0, hash: toHex(block.hash), expected: toHex(expected) };
    throw new ChainError('GENESIS_MISMATCH', details);
  }
  if (chain === 'A' && isType(block, 'genesis') && isRootGenesis(block.body)) {
    if (!block.body.authorities.some((key) => equalBytes(key, author))) {
      throw new ChainError('AUTHOR_UNLISTED', { chain, height: 0, author: toHex(author) });
    }
  }
}

function open(input: Parameters<typeof sealBlock<'genesis'>>[0]): OpenedBlock<'genesis'> {
  const { header, body, signature } = sealBlock(input);
  return openBlock({ header, body, signature }) as OpenedBlock<'genesis'>;
}

function derivedBody(root: OpenedBlock): DerivedGenesisBody {
  if (!isType(root, 'genesis') || !isRootGenesis(root.body)) {
    throw new TypeError('expected the genesis of chain A');
  }
  return { network: root.body.network, root: root.hash };
}

function derivedHeader(root: OpenedBlock, chain: Exclude<ChainId, 'A'>): Header {
  const body = encodeBody('genesis', derivedBody(root));
  return {
    v: 1,
    chain,
    height: 0,
    prev: null,
    time: root.header.time,
    type: 'genesis',
    body: bodyHash(body),
    bodyLength: body.length,
    anchor: root.hash,
    log: emptyRoot(),
    author: root.header.author,
  };
}
