import { createHash } from 'node:crypto';
import type { Hasher } from './sha256.noble.ts';

export type { Hasher };

export function sha256(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  // A copy of 32 bytes: a plain Uint8Array, as in the browser, and not a view into Node's pool.
  return new Uint8Array(hash.digest());
}

export function createHasher(): Hasher {
  const hash = createHash('sha256');
  return {
    update(bytes) {
      hash.update(bytes);
      return this;
    },
    digest: () => new Uint8Array(hash.digest()),
  };
}

/** OpenSSL is as fast as it gets on one thread already. */
export async function sha256Async(parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  return sha256(parts);
}
