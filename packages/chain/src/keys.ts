/**
 * Ed25519, strict RFC 8032 (https://www.rfc-editor.org/rfc/rfc8032#section-5.1). `#ed25519` of
 * package.json picks `node:crypto` in Node and noble elsewhere. Implementations differ in what they
 * let pass at the edges, so the edges are cut off here, in front of both:
 *
 * - A and R encode a y below p, as section 5.1.3 demands (OpenSSL 3.0 takes larger ones);
 * - neither is one of the 8 points of small order, whose signatures fit more than one message;
 * - S is below the group order, as section 5.1.7 demands.
 *
 * The equation is the one without the cofactor in both.
 */
import * as ed25519 from '#ed25519';
import { bytes32, equalBytes, fromHex } from './hex.ts';
import type { Hash, PublicKey } from './types.ts';

export interface KeyPair {
  publicKey: PublicKey;
  /** The 32-byte seed of RFC 8032, section 5.1.5. */
  secretKey: Uint8Array;
}

// Little endian. p = 2^255 - 19; L = 2^252 + 27742317777372353535851937790883648493.
const P = fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f');
const L = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');
/** y of the points of order 1, 2, 4 and 8; the sign bit is cleared before comparing. */
const SMALL_ORDER_Y = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
].map(fromHex);

function isBelow(value: Uint8Array, bound: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) if (value[i] !== bound[i]) return value[i]! < bound[i]!;
  return false;
}

/** Whether the bytes can be a key at all. Says nothing about who holds it. */
export function isPublicKey(bytes: Uint8Array): boolean {
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) return false;
  // Not `slice`: that of a Buffer is no copy.
  const y = new Uint8Array(bytes);
  y[31]! &= 0x7f;
  return isBelow(y, P) && !SMALL_ORDER_Y.some((small) => equalBytes(y, small));
}

export function generateKeyPair(): KeyPair {
  const secretKey = crypto.getRandomValues(new Uint8Array(32));
  return { secretKey, publicKey: publicKeyOf(secretKey) };
}

export function publicKeyOf(secretKey: Uint8Array): PublicKey {
  return ed25519.publicKeyOf(bytes32(secretKey, 'secretKey'));
}

/** 64 bytes. Deterministic: one message and key, one signature. */
export function sign(hash: Hash, secretKey: Uint8Array): Uint8Array {
  return ed25519.sign(bytes32(hash, 'hash'), bytes32(secretKey, 'secretKey'));
}

/** False for whatever is not a strict signature over `hash`. Never throws for bytes from outside. */
export function verify(signature: Uint8Array, hash: Hash, publicKey: PublicKey): boolean {
  bytes32(hash, 'hash');
  return verifyMessage(signature, hash, publicKey);
}

/** The same over a message of any length; exported for the vectors of RFC 8032. */
export function verifyMessage(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: PublicKey,
): boolean {
  if (!(signature instanceof Uint8Array) || signature.length !== 64) return false;
  if (!isPublicKey(publicKey) || !isPublicKey(signature.subarray(0, 32))) return false;
  if (!isBelow(signature.subarray(32), L)) return false;
  return ed25519.verify(signature, message, publicKey);
}
