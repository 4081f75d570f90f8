/**
 * A self-signed X.509 certificate over a node's own Ed25519 key (RFC 5280, RFC 8410), so that two nodes
 * can prove to each other by TLS which keys they hold. Nothing in it is believed but the key: whom a
 * key belongs to is said by the assignment. DER is written by hand: it is one fixed form of 9 fields.
 */
import { createPublicKey, type KeyObject, sign, X509Certificate } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION_TAG = 0xa0;

/** 1.3.101.112 and 2.5.4.3 */
const ED25519 = der(SEQUENCE, der(OBJECT_ID, Buffer.from('2b6570', 'hex')));
const COMMON_NAME = der(OBJECT_ID, Buffer.from('550403', 'hex'));

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** @param key private Ed25519 key; @returns PEM of key and certificate, as node:tls takes them */
export function nodeCertificate(key: KeyObject): { key: string; cert: string } {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('expected an Ed25519 key');
  const name = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from('blyan node')))),
  );
  // Without an end (RFC 5280, 4.1.2.5): the clock of a node may be wrong, and the key is what counts.
  const validity = der(
    SEQUENCE,
    der(UTC_TIME, Buffer.from('700101000000Z')),
    der(GENERALIZED_TIME, Buffer.from('99991231235959Z')),
  );
  const body = der(
    SEQUENCE,
    der(VERSION_TAG, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.from([1])),
    ED25519,
    name,
    validity,
    name,
    createPublicKey(key).export({ format: 'der', type: 'spki' }),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign(null, body, key)]);
  const certificate = der(SEQUENCE, body, ED25519, der(BIT_STRING, signature));
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: new X509Certificate(certificate).toString(),
  };
}

/** Raw Ed25519 public key of a certificate, hex; null for any other kind. */
export function publicKeyOf(certificate: X509Certificate | undefined): string | null {
  const key = certificate?.publicKey;
  if (key?.asymmetricKeyType !== 'ed25519') return null;
  const { x } = key.export({ format: 'jwk' });
  return x === undefined ? null : Buffer.from(x, 'base64url').toString('hex');
}
