/** Header v1: canonical bytes, and the block hash over them. Layout in docs/chain.md. */
import { z } from 'zod';
import { decode, encode } from './codec.ts';
import { ChainError } from './errors.ts';
import { MAX_BODY_BYTES, MAX_HEADER_BYTES } from './limits.ts';
import { ChainId, Count, Hash, Height, parse } from './schema.ts';
import { sha256 } from './sha256.ts';
import type * as types from './types.ts';

export { MAX_HEADER_BYTES };

const BLOCK_TAG = new TextEncoder().encode('blyan/v1/block\0');

/** Which types each chain holds. `epoch` joins chain L when its body is specified. */
const TYPES: Record<types.ChainId, readonly types.BlockType[]> = {
  A: ['genesis', 'model', 'authority', 'retire'],
  B: ['genesis', 'layer'],
  L: ['genesis'],
};

const HeaderSchema = z
  .strictObject({
    v: z.literal(1),
    chain: ChainId,
    height: Height,
    prev: Hash.nullable(),
    time: Count,
    type: z.enum(['genesis', 'model', 'authority', 'retire', 'layer', 'epoch']),
    body: Hash,
    bodyLength: Count.max(MAX_BODY_BYTES),
    anchor: Hash.nullable(),
    log: Hash,
    author: Hash,
  })
  .refine((h) => (h.height === 0) === (h.prev === null), {
    path: ['prev'],
    error: 'null in a genesis only',
  })
  .refine((h) => (h.height === 0) === (h.type === 'genesis'), {
    path: ['type'],
    error: 'genesis at height 0 only',
  })
  .refine((h) => (h.chain === 'A') === (h.anchor === null), {
    path: ['anchor'],
    error: 'null on chain A only',
  });

/** Canonical bytes. @throws ChainError HEADER_INVALID, BLOCK_TYPE */
export function encodeHeader(header: types.Header): Uint8Array {
  return encode(check(header));
}

/** @throws ChainError HEADER_TOO_LARGE, CODEC_INVALID, HEADER_INVALID, BLOCK_TYPE */
export function decodeHeader(bytes: Uint8Array): types.Header {
  checkHeaderSize(bytes);
  return check(decode(bytes, MAX_HEADER_BYTES));
}

export function checkHeaderSize(bytes: Uint8Array): void {
  if (bytes.length > MAX_HEADER_BYTES) {
    throw new ChainError('HEADER_TOO_LARGE', { bytes: bytes.length, bound: MAX_HEADER_BYTES });
  }
}

function check(value: unknown): types.Header {
  const header = parse<types.Header>(HeaderSchema, value, 'HEADER_INVALID');
  const { chain, height, type } = header;
  if (!TYPES[chain].includes(type)) throw new ChainError('BLOCK_TYPE', { chain, height, type });
  return header;
}

/** What is signed, linked and pinned. Needs no decoding: hash before parse. */
export function blockHash(headerBytes: Uint8Array): types.Hash {
  return sha256(BLOCK_TAG, headerBytes);
}
