/** What the vectors are made of, for the tests and for the script that writes them. */
import { fromHex } from '@blyan/chain/hex';
import type { SealedBlock } from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';

/** Bytes in a vector: hex, or a rule for long ones. `flip` inverts the lowest bit of one byte. */
export type Bytes = string | { zeros: number } | { pattern: number; flip?: number };

export function bytesOf(spec: Bytes): Uint8Array<ArrayBuffer> {
  if (typeof spec === 'string') return fromHex(spec);
  if ('zeros' in spec) return new Uint8Array(spec.zeros);
  const bytes = new Uint8Array(spec.pattern);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + (i >>> 16)) & 255;
  if (spec.flip !== undefined) bytes[spec.flip]! ^= 1;
  return bytes;
}

export interface SealedVector {
  header: Bytes;
  body: Bytes;
  signature: string;
}

export interface BlockVector extends SealedVector {
  name: string;
  comment: string;
  hash: string;
}

export interface ChainVectors {
  genesis: string;
  keys: Record<string, { secretKey: string; publicKey: string }>;
  blocks: BlockVector[];
  logs: Record<'A' | 'B' | 'L', string>;
}

export function sealedOf(vector: SealedVector): SealedBlock {
  return {
    header: bytesOf(vector.header),
    body: bytesOf(vector.body),
    signature: fromHex(vector.signature),
  };
}

/** A verifier that has accepted the blocks up to and including the named one. */
export function verifierAt(vectors: ChainVectors, last: string): ChainVerifier {
  const verifier = new ChainVerifier({ genesis: fromHex(vectors.genesis) });
  if (last === '') return verifier;
  for (const vector of vectors.blocks) {
    verifier.accept(sealedOf(vector));
    if (vector.name === last) return verifier;
  }
  throw new Error(`no block ${last}`);
}

interface Case {
  name: string;
  comment: string;
  code: string;
  /** Entries that the error's details must have. */
  details?: Record<string, unknown>;
}
/** Before the attempt: the chain up to `after`, then the blocks of `also`. */
interface OnChain {
  after: string;
  also?: SealedVector[];
}
export type Forgery = Case &
  (
    | { op: 'decode'; bytes: Bytes; bound: number }
    | { op: 'open'; sealed: SealedVector }
    | { op: 'openAs'; sealed: SealedVector; hash: string }
    | { op: 'wire'; json: unknown }
    | ({ op: 'accept' | 'append'; sealed: SealedVector } & OnChain)
    | ({ op: 'require'; hash: string; type: 'model' } & OnChain)
    | ({ op: 'model'; model: string } & OnChain)
    | ({ op: 'tensor'; block: string; tensor: string; bytes: Bytes; leaves?: string } & OnChain)
    | ({ op: 'file'; model: string; path: string; bytes: Bytes; copied?: boolean } & OnChain)
    | { op: 'checkpoint'; bytes: string }
    | ({ op: 'checkpointAuthor' | 'checkpointHistory'; bytes: string } & OnChain)
    | { op: 'checkpointAgainst'; older: string; newer: string; proof: string[] }
  );
