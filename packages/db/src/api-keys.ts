/** Keys of users: 256 random bits, shown once; only their SHA-256 is kept. */
import { createHash, randomBytes } from 'node:crypto';
import type { ApiKey, Db } from './client.ts';

/** Every key begins so: one that was pasted somewhere can be found, and told from other services'. */
export const API_KEY_PREFIX = 'blyan_';
const KEY_BYTES = 32;
/** Characters of the key that stay visible, 36 bits of the 256 among them. */
const SHOWN_CHARS = API_KEY_PREFIX.length + 6;

export interface NewApiKey {
  name: string;
  /** 0 is no limit. */
  requestsPerMinute: number;
  tokensPerMinute: number;
  expiresAt: Date | null;
}

const hashOf = (key: string) => createHash('sha256').update(key).digest();

/** @returns the row, and the key that nobody can read again */
export async function createApiKey(
  db: Db,
  limits: NewApiKey,
): Promise<{ key: string; row: ApiKey }> {
  const key = API_KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  const row = await db.apiKey.create({
    data: {
      id: randomBytes(9).toString('base64url'),
      prefix: key.slice(0, SHOWN_CHARS),
      hash: hashOf(key),
      ...limits,
    },
  });
  return { key, row };
}

/** Null for a key that never was, has expired or was revoked. */
export async function findApiKey(db: Db, key: string): Promise<ApiKey | null> {
  // By its hash: how long the search takes tells nothing of the key.
  const row = await db.apiKey.findUnique({ where: { hash: hashOf(key) } });
  const expired = row?.expiresAt && row.expiresAt.getTime() <= Date.now();
  return row && !row.revokedAt && !expired ? row : null;
}

/** Revoked ones too, the newest first. */
export const listApiKeys = (db: Db): Promise<ApiKey[]> =>
  db.apiKey.findMany({ orderBy: { createdAt: 'desc' } });

/** By id or visible prefix. @returns those that were valid until now */
export async function revokeApiKey(db: Db, which: string): Promise<ApiKey[]> {
  const where = { OR: [{ id: which }, { prefix: which }], revokedAt: null };
  const rows = await db.apiKey.findMany({ where });
  await db.apiKey.updateMany({
    where: { id: { in: rows.map(({ id }) => id) } },
    data: { revokedAt: new Date() },
  });
  return rows;
}
