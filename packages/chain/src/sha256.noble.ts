import { sha256 as noble } from '@noble/hashes/sha2.js';

export interface Hasher {
  update(bytes: Uint8Array): Hasher;
  /** 32 bytes. Ends the hasher. */
  digest(): Uint8Array<ArrayBuffer>;
}

export function sha256(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = noble.create();
  for (const part of parts) hash.update(part);
  return hash.digest() as Uint8Array<ArrayBuffer>;
}

export function createHasher(): Hasher {
  const hash = noble.create();
  return {
    update(bytes) {
      hash.update(bytes);
      return this;
    },
    digest: () => hash.digest() as Uint8Array<ArrayBuffer>,
  };
}
