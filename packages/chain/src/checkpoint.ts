/**
 * Signed checkpoints: what an authority says a chain looks like at one moment. A client that keeps
 * the last one it saw notices when it is shown a shorter or a different history later.
 */
import { z } from 'zod';
import { decode, encode } from './codec.ts';
import { ChainError } from './errors.ts';
import { bytes32, equalBytes, toHex } from './hex.ts';
import { publicKeyOf, sign, verify } from './keys.ts';
import { MAX_CHECKPOINT_BYTES } from './limits.ts';
import { verifyConsistency } from './merkle.ts';
import { ChainId, Count, Hash, Height, parse, Signature } from './schema.ts';
import { sha256 } from './sha256.ts';
import type * as types from './types.ts';
import type { ChainVerifier } from './verify.ts';

const CHECKPOINT_TAG = new TextEncoder().encode('blyan/v1/checkpoint\0');

export interface Checkpoint {
  v: 1;
  chain: types.ChainId;
  /** Number of blocks, 1 or more. */
  size: number;
  /** Hash of the block at height size - 1. */
  head: types.Hash;
  /** RFC 6962 root over the hashes of all `size` blocks. */
  log: types.Hash;
  /** Integer milliseconds. */
  time: number;
  author: types.PublicKey;
}

/** Its signature holds; whether its author is an authority is `checkAuthor`. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** As signed, published and kept. */
  readonly bytes: Uint8Array;
}

const Schema = z.strictObject({
  v: z.literal(1),
  chain: ChainId,
  size: Height.min(1),
  head: Hash,
  log: Hash,
  time: Count,
  author: Hash,
});
const Envelope = z.strictObject({
  checkpoint: z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes'),
  signature: Signature,
});

/** Canonical bytes of `{checkpoint: bytes, signature}`. */
export function signCheckpoint(
  input: Omit<Checkpoint, 'v' | 'author'>,
  secretKey: Uint8Array,
): Uint8Array {
  const author = publicKeyOf(secretKey);
  const bytes = encode(parse(Schema, { v: 1, ...input, author }, 'CHECKPOINT_INVALID'));
  return encode({ checkpoint: bytes, signature: sign(sha256(CHECKPOINT_TAG, bytes), secretKey) });
}

/** @throws ChainError CHECKPOINT_INVALID, SIGNATURE_INVALID */
export function openCheckpoint(bytes: Uint8Array): OpenedCheckpoint {
  const envelope = parse(Envelope, read(bytes), 'CHECKPOINT_INVALID');
  const checkpoint = parse(Schema, read(envelope.checkpoint), 'CHECKPOINT_INVALID');
  const { chain, size, author } = checkpoint;
  const hash = sha256(CHECKPOINT_TAG, envelope.checkpoint);
  if (!verify(envelope.signature, hash, author)) {
    throw new ChainError('SIGNATURE_INVALID', { chain, size, author: toHex(author) });
  }
  return { checkpoint, bytes: new Uint8Array(bytes) };
}

function read(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, MAX_CHECKPOINT_BYTES);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : undefined;
    throw new ChainError('CHECKPOINT_INVALID', { reason }, { cause });
  }
}

/**
 * That the chain of `newer` contains the one of `older`, from two checkpoints and a proof alone.
 * @param proof consistency proof from older.size to newer.size
 * @throws ChainError CHECKPOINT_ROLLBACK, CHECKPOINT_FORK
 */
export function checkAgainst(
  older: OpenedCheckpoint,
  newer: OpenedCheckpoint,
  proof: readonly types.Hash[],
): void {
  const [a, b] = [older.checkpoint, newer.checkpoint];
  if (a.chain !== b.chain) throw new RangeError(`checkpoints of ${a.chain} and ${b.chain}`);
  for (const hash of proof) bytes32(hash, 'proof');
  const where = { chain: a.chain, oldSize: a.size, newSize: b.size };
  if (b.size < a.size) throw new ChainError('CHECKPOINT_ROLLBACK', where);
  const sizes = { oldSize: a.size, newSize: b.size };
  const sameHead = b.size > a.size || equalBytes(a.head, b.head);
  if (!sameHead || !verifyConsistency({ ...sizes, oldRoot: a.log, newRoot: b.log, proof })) {
    const logs = { oldLog: toHex(a.log), newLog: toHex(b.log) };
    throw new ChainError('CHECKPOINT_FORK', { ...where, ...logs });
  }
}

/**
 * That a synced chain contains the history of a checkpoint that was kept from before.
 * @throws ChainError CHECKPOINT_ROLLBACK, CHECKPOINT_FORK
 */
export function checkHistory({ checkpoint }: OpenedCheckpoint, verifier: ChainVerifier): void {
  const { chain, size, head, log } = checkpoint;
  const newSize = verifier.size(chain);
  if (newSize < size)
    throw new ChainError('CHECKPOINT_ROLLBACK', { chain, oldSize: size, newSize });
  const known = verifier.at(chain, size - 1);
  if (!known || !equalBytes(known.hash, head) || !equalBytes(verifier.logRoot(chain, size), log)) {
    const heads = { expected: toHex(head), hash: known && toHex(known.hash) };
    throw new ChainError('CHECKPOINT_FORK', { chain, height: size - 1, ...heads });
  }
}

/** For a checkpoint just received: its author is an authority now. @throws ChainError AUTHOR_UNLISTED */
export function checkAuthor({ checkpoint }: OpenedCheckpoint, verifier: ChainVerifier): void {
  const { chain, size, author } = checkpoint;
  const { head } = verifier.authorities;
  if (!head || !verifier.authorities.allows(author, head.hash)) {
    throw new ChainError('AUTHOR_UNLISTED', { chain, size, author: toHex(author) });
  }
}
