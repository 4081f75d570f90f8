/** Ed25519 on noble, for runtimes without `node:crypto`. Callers are in keys.ts, which checks first. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';

export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(secretKey);
}

export function sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return ed25519.sign(message, secretKey);
}

/**
 * RFC 8032 section 5.1.7 without the cofactor: S*B - k*A has the bytes R. Written out on noble's
 * points because noble's own `verify` multiplies by the cofactor and OpenSSL's does not, and the
 * two must agree on every input, keys with a small-order part included.
 */
export function verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  const R = signature.subarray(0, 32);
  let A: typeof ed25519.Point.BASE;
  try {
    A = ed25519.Point.fromBytes(publicKey);
  } catch {
    return false; // not on the curve
  }
  const digest = sha512.create().update(R).update(publicKey).update(message).digest();
  const order = ed25519.Point.Fn.ORDER;
  const s = littleEndian(signature.subarray(32));
  const k = littleEndian(digest) % order;
  const expected = ed25519.Point.BASE.multiplyUnsafe(s).subtract(A.multiplyUnsafe(k)).toBytes();
  return expected.every((byte, i) => byte === R[i]);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
