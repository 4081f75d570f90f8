/** What an import needs from its surroundings, as narrow as it is: a blob store and two chains. */
import type { BodyOf, ChainId, Hash } from '@blyan/chain/types';

export interface BlobSinkWriter extends AsyncDisposable {
  /** Bytes are used before it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the blob durable. */
  finish(): Promise<{ root: Hash; byteLength: number }>;
}

export interface BlobSink {
  stat(root: Hash): Promise<{ byteLength: number } | null>;
  put(bytes: Uint8Array): Promise<{ root: Hash; byteLength: number }>;
  write(): Promise<BlobSinkWriter>;
}

export interface BlockPlace {
  hash: Hash;
  height: number;
}

export interface AppendPort {
  /** The block with this body, if the chain has one. */
  findByBody(chain: ChainId, bodyHash: Hash): Promise<BlockPlace | null>;
  append<T extends 'layer' | 'model'>(
    chain: ChainId,
    type: T,
    body: BodyOf<T>,
  ): Promise<BlockPlace>;
}
