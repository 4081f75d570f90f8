/** Whether a secret lets a node in, and the main node's own key. */
import { timingSafeEqual } from 'node:crypto';
import { appendAudit } from './audit-log.ts';
import type { Db, Tx } from './client.ts';
import {
  audited,
  hashOf,
  type KeyInfo,
  keyInfo,
  keyState,
  MACHINE_KEY,
  MAX_NODES,
} from './node-key.ts';
import { inRanges } from './ranges.ts';

export type KeyRefusal =
  | 'unknown'
  | 'expired'
  | 'disabled'
  | 'revoked'
  | 'address_not_allowed'
  | 'too_many_nodes';

export type KeyCheck =
  | {
      ok: true;
      key: KeyInfo;
      /** When this very secret ends: the key's expiry or the end of its grace period. */
      goodUntil: Date | null;
    }
  /** `key` is null only when the secret is unknown. */
  | { ok: false; reason: KeyRefusal; key: KeyInfo | null };

export interface KeyUse {
  /** Address of the client, as the trusted side sees it. */
  address: string;
  nodeId: string;
}

/**
 * Whether a secret lets a node in, and records its use when it does. Call it in the transaction that
 * gives the node its lease (Node.keyId, Node.leaseUntil): the key's row is locked until that commits,
 * so that two nodes cannot take the last place.
 */
export async function verifyNodeKey(
  tx: Tx,
  secret: string,
  { address, nodeId }: KeyUse,
): Promise<KeyCheck> {
  const hash = hashOf(secret);
  await tx.$queryRaw`SELECT 1 FROM "NodeKey" WHERE hash = ${hash} OR "previousHash" = ${hash} FOR UPDATE`;
  const check = await keyOfSecret(tx, secret);
  if (!check.ok) return check;
  const { key, goodUntil } = check;
  const now = new Date();
  const refuse = (reason: KeyRefusal): KeyCheck => ({ ok: false, reason, key });
  if (!inRanges(address, key.addresses)) return refuse('address_not_allowed');
  const others = await tx.node.count({
    where: { keyId: key.id, id: { not: nodeId }, leaseUntil: { gt: now } },
  });
  if (others >= key.maxNodes) return refuse('too_many_nodes');
  const used = await tx.nodeKey.update({
    where: { id: key.id },
    data: { lastUsedAt: now, lastAddress: address, lastNodeId: nodeId },
  });
  return { ok: true, key: keyInfo(used), goodUntil };
}

/** Whether a secret is good now, wherever it comes from; nothing is recorded. */
export async function keyOfSecret(tx: Tx, secret: string): Promise<KeyCheck> {
  const hash = hashOf(secret);
  const key = await tx.nodeKey.findFirst({ where: { OR: [{ hash }, { previousHash: hash }] } });
  // The index was searched by the hash already, of which nobody knows the secret; the rest is equal time.
  const current = key !== null && timingSafeEqual(key.hash, hash);
  const previous = key?.previousHash != null && timingSafeEqual(key.previousHash, hash);
  if (!key || !(current || previous)) return { ok: false, reason: 'unknown', key: null };
  const now = new Date();
  const state = keyState(key, now);
  if (state !== 'active') return { ok: false, reason: state, key: keyInfo(key) };
  const graceEnd = current ? null : key.previousUntil;
  if (!current && (graceEnd === null || graceEnd <= now))
    return { ok: false, reason: 'expired', key: keyInfo(key) };
  const ends = [key.expiresAt, graceEnd].filter((end) => end !== null);
  const goodUntil = ends.reduce<Date | null>((a, b) => (a && a < b ? a : b), null);
  return { ok: true, key: keyInfo(key), goodUntil };
}

/**
 * Lets the main node's BLYAN_API_KEY work as a key of its own, so that `npm start`'s worker joins as
 * any other does. Call it at the start of the web app. A changed variable replaces the secret; one
 * that an admin revoked or disabled stays so until the variable is changed.
 */
export async function ensureMachineKey(
  db: Db,
  { secret, scopes }: { secret: string; scopes: string[] },
): Promise<KeyInfo> {
  const hash = hashOf(secret);
  const prefix = secret.slice(0, 4);
  const { id, name } = MACHINE_KEY;
  return await db.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${MACHINE_LOCK})`;
    const before = await tx.nodeKey.findUnique({ where: { id } });
    if (before && timingSafeEqual(before.hash, hash)) return keyInfo(before);
    // The variable may hold a key that was issued here, as on any other worker.
    const issued = await tx.nodeKey.findFirst({
      where: { OR: [{ hash }, { previousHash: hash }] },
    });
    if (issued) return keyInfo(issued);
    const secretOf = { hash, prefix, disabledAt: null, revokedAt: null, rotatedAt: new Date() };
    const after = before
      ? await tx.nodeKey.update({ where: { id }, data: secretOf })
      : await tx.nodeKey.create({
          data: { id, name, prefix, hash, scopes, maxNodes: MAX_NODES, createdBy: 'system' },
        });
    await appendAudit(tx, {
      actor: { kind: 'system' },
      action: before ? 'key.rotate' : 'key.create',
      subject: `key:${id}`,
      ...(before && { before: audited(before) }),
      after: audited(after),
    });
    return keyInfo(after);
  });
}

/** Any number that is ours: several web processes may start at once. */
const MACHINE_LOCK = 0x6d6b6579;
