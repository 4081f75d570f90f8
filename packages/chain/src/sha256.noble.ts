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

/**
 * The platform's own implementation, where the page is served securely: it hashes in another thread, and
 * many times as fast as JavaScript does.
 */
export async function sha256Async(parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (!subtle) return sha256(parts);
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return new Uint8Array(await subtle.digest('SHA-256', whole));
}
