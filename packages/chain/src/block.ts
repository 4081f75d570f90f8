/**
 * Sealing and opening one block. An opened block has its own hash, bounds, body and signature right;
 * whether its author had the right to write it, and whether it follows its chain, is linkage.ts.
 */
import { bodyHash, checkBodySize, decodeBody, encodeBody, isRootGenesis } from './body.ts';
import { ChainError, locate } from './errors.ts';
import { blockHash, checkHeaderSize, decodeHeader, encodeHeader } from './header.ts';
import { bytes32, equalBytes, toHex } from './hex.ts';
import { publicKeyOf, sign, verify } from './keys.ts';
import type { BlockType, BodyOf, ChainId, Hash, Header, SealedBlock } from './types.ts';

export interface OpenedBlock<T extends BlockType = BlockType> {
  readonly hash: Hash;
  readonly header: Header & { type: T };
  readonly body: BodyOf<T>;
  readonly sealed: SealedBlock;
}

export interface SealInput<T extends BlockType = BlockType> {
  chain: ChainId;
  height: number;
  prev: Hash | null;
  /** Integer milliseconds; not before the time of the block below. */
  time: number;
  type: T;
  /** Hash of chain A's head; null on chain A. */
  anchor: Hash | null;
  /** Root over the hashes of all earlier blocks: `Frontier.root()` of the chain's log. */
  log: Hash;
  body: BodyOf<T>;
  secretKey: Uint8Array;
}

/** @throws ChainError when no such block can be valid */
export function sealBlock<T extends BlockType>(input: SealInput<T>): SealedBlock & { hash: Hash } {
  const { secretKey, body: value, ...fields } = input;
  const body = encodeBody(input.type, value);
  const header = encodeHeader({
    v: 1,
    ...fields,
    body: bodyHash(body),
    bodyLength: body.length,
    author: publicKeyOf(secretKey),
  });
  const hash = blockHash(header);
  return { header, body, signature: sign(hash, secretKey), hash };
}

/**
 * Hash before parse: nothing is decoded before its bound, and the body not before its hash.
 * @throws ChainError
 */
export function openBlock(sealed: SealedBlock): OpenedBlock {
  checkHeaderSize(sealed.header);
  checkBodySize(sealed.body);
  return open(sealed, blockHash(sealed.header));
}

/** The same for a block that was asked for by its hash. @throws ChainError HASH_MISMATCH first */
export function openBlockAs(expected: Hash, sealed: SealedBlock): OpenedBlock {
  bytes32(expected, 'expected');
  checkHeaderSize(sealed.header);
  checkBodySize(sealed.body);
  const hash = blockHash(sealed.header);
  if (!equalBytes(hash, expected)) {
    throw new ChainError('HASH_MISMATCH', { hash: toHex(hash), expected: toHex(expected) });
  }
  return open(sealed, hash);
}

function open(sealed: SealedBlock, hash: Hash): OpenedBlock {
  const header = decodeHeader(sealed.header);
  const { chain, height, type } = header;
  const where = { chain, height, hash: toHex(hash) };
  if (sealed.body.length !== header.bodyLength) {
    const details = { ...where, bytes: sealed.body.length, expected: header.bodyLength };
    throw new ChainError('BODY_LENGTH', details);
  }
  if (!equalBytes(bodyHash(sealed.body), header.body)) throw new ChainError('BODY_HASH', where);
  if (!verify(sealed.signature, hash, header.author)) {
    throw new ChainError('SIGNATURE_INVALID', { ...where, author: toHex(header.author) });
  }
  const body = locate(where, () => decodeBody(type, sealed.body));
  if (type === 'genesis' && isRootGenesis(body as BodyOf<'genesis'>) !== (chain === 'A')) {
    const reason = 'a genesis with authorities belongs to chain A, one with a root to B and L';
    throw new ChainError('BODY_INVALID', { ...where, reason });
  }
  return { hash, header, body, sealed };
}

/** Narrows by type, for `block.body`. */
export function isType<T extends BlockType>(block: OpenedBlock, type: T): block is OpenedBlock<T> {
  return block.header.type === type;
}
