/**
 * A node key: its secret is 256 random bits, shown once; of it only the SHA-256 and a visible prefix
 * are kept. A plain hash is enough: there is no dictionary of 256 bits.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { NodeKey } from './client.ts';

const SECRET_PREFIX = 'blyan_';
const SECRET_BYTES = 32;
/** Characters of a secret that lists show: 6 random ones leave 220 bits unknown. */
const PREFIX_CHARS = SECRET_PREFIX.length + 6;

/** More nodes than that have an operator who can have a second key. */
export const MAX_NODES = 1000;
export const MAX_GRACE_DAYS = 30;
/** Address ranges of one key. */
export const MAX_RANGES = 32;
/** Letters, digits and what names of people and machines have; a name is typed again to revoke. */
export const KEY_NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N} ._@/-]{0,62}[\p{L}\p{N}])?$/u;

/** The key of the main node's own BLYAN_API_KEY. */
export const MACHINE_KEY = { id: 'k_machine', name: 'this machine' } as const;

/** A key as lists show it: neither secret nor hash. */
export type KeyInfo = Omit<NodeKey, 'hash' | 'previousHash'> & { builtIn: boolean };

export const hashOf = (secret: string) => createHash('sha256').update(secret).digest();

export function newSecret() {
  const secret = SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  return { secret, hash: hashOf(secret), prefix: secret.slice(0, PREFIX_CHARS) };
}

export function keyInfo({ hash: _, previousHash: __, ...info }: NodeKey): KeyInfo {
  return { ...info, builtIn: info.id === MACHINE_KEY.id };
}

/** What the audit log has of a key. */
export const audited = (key: NodeKey) => ({
  name: key.name,
  prefix: key.prefix,
  scopes: key.scopes,
  maxNodes: key.maxNodes,
  addresses: key.addresses,
  expiresAt: key.expiresAt,
  previousUntil: key.previousUntil,
  disabledAt: key.disabledAt,
  revokedAt: key.revokedAt,
});

export type KeyState = 'active' | 'expired' | 'disabled' | 'revoked';

export function keyState(
  key: Pick<NodeKey, 'revokedAt' | 'disabledAt' | 'expiresAt'>,
  now = new Date(),
): KeyState {
  if (key.revokedAt) return 'revoked';
  if (key.disabledAt) return 'disabled';
  return key.expiresAt && key.expiresAt <= now ? 'expired' : 'active';
}
