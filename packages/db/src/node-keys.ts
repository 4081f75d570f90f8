/** Keys with which operators register nodes: made, rotated, disabled and revoked by admins. */
import { randomBytes } from 'node:crypto';
import { type Actor, appendAudit } from './audit-log.ts';
import type { Db, NodeKey, Tx } from './client.ts';
import { DbError } from './errors.ts';
import {
  audited,
  KEY_NAME,
  type KeyInfo,
  keyInfo,
  MACHINE_KEY,
  MAX_GRACE_DAYS,
  MAX_NODES,
  MAX_RANGES,
  newSecret,
} from './node-key.ts';
import { assertRange, inRanges } from './ranges.ts';

export {
  KEY_NAME,
  type KeyInfo,
  type KeyState,
  keyState,
  MACHINE_KEY,
  MAX_GRACE_DAYS,
  MAX_NODES,
  MAX_RANGES,
} from './node-key.ts';
export {
  ensureMachineKey,
  type KeyCheck,
  type KeyRefusal,
  type KeyUse,
  keyOfSecret,
  verifyNodeKey,
} from './node-key-check.ts';

const DAY_MS = 86_400_000;

export interface NewKey {
  name: string;
  /** NodeScope of packages/protocol. */
  scopes: string[];
  maxNodes: number;
  /** CIDR ranges or single addresses; empty: from anywhere. */
  addresses?: string[];
  expiresAt?: Date | null;
}

/**
 * @returns the secret too, the only time that anybody sees it
 * @throws DbError KEY_INVALID, KEY_NAME_TAKEN
 */
export async function createNodeKey(
  db: Db,
  input: NewKey,
  actor: Actor,
): Promise<{ secret: string; key: KeyInfo }> {
  const { name, scopes, maxNodes, addresses = [], expiresAt = null } = input;
  if (scopes.length === 0) throw new DbError('KEY_INVALID', 'A key needs at least one scope.');
  assertLimits({ name, maxNodes, addresses, expiresAt });
  const { secret, hash, prefix } = newSecret();
  const key = await db.$transaction(async (tx) => {
    await assertFree(tx, name);
    const made = await tx.nodeKey.create({
      data: {
        id: `k_${randomBytes(9).toString('base64url')}`,
        name,
        prefix,
        hash,
        scopes: [...new Set(scopes)],
        maxNodes,
        addresses,
        expiresAt,
        createdBy: actor.id ?? actor.kind,
      },
    });
    await appendAudit(tx, {
      actor,
      action: 'key.create',
      subject: `key:${made.id}`,
      after: audited(made),
    });
    return made;
  });
  return { secret, key: keyInfo(key) };
}

/** What an admin may change of a key; what is left out stays. Scopes are of another key. */
export type KeyLimits = Partial<Pick<NewKey, 'name' | 'maxNodes' | 'addresses' | 'expiresAt'>>;

/** @throws DbError KEY_INVALID */
function assertLimits({ name, maxNodes, addresses = [], expiresAt }: KeyLimits): void {
  const wrong = (what: string) => new DbError('KEY_INVALID', what);
  if (name !== undefined && !KEY_NAME.test(name))
    throw wrong('A name has 1 to 64 letters, digits, spaces or any of . _ @ / -');
  if (
    maxNodes !== undefined &&
    !(Number.isInteger(maxNodes) && maxNodes >= 1 && maxNodes <= MAX_NODES)
  )
    throw wrong(`A key is for 1 to ${MAX_NODES} nodes.`);
  if (addresses.length > MAX_RANGES) throw wrong(`At most ${MAX_RANGES} address ranges.`);
  for (const range of addresses) assertRange(range);
  if (expiresAt && expiresAt.getTime() <= Date.now())
    throw wrong('The expiry must be in the future.');
}

/** @throws DbError KEY_NAME_TAKEN */
async function assertFree(tx: Tx, name: string): Promise<void> {
  const taken = await tx.nodeKey.findUnique({ where: { name }, select: { id: true } });
  if (taken || name === MACHINE_KEY.name)
    throw new DbError('KEY_NAME_TAKEN', `There is a key named "${name}" already.`, { name });
}

/** A changed key, and its nodes that must be cut off now: their leases have ended. */
export interface KeyChange {
  key: KeyInfo;
  cut: string[];
}

/**
 * A new secret. The old one stays good for `graceDays` (0 to 30, fractions allowed); with 0 it ends
 * at once and so do the leases of the key's nodes.
 * @throws DbError KEY_UNKNOWN, KEY_REVOKED, KEY_BUILT_IN, KEY_INVALID
 */
export async function rotateNodeKey(
  db: Db,
  { id, graceDays }: { id: string; graceDays: number },
  actor: Actor,
): Promise<KeyChange & { secret: string }> {
  if (!(graceDays >= 0 && graceDays <= MAX_GRACE_DAYS))
    throw new DbError('KEY_INVALID', `The grace period is 0 to ${MAX_GRACE_DAYS} days.`);
  const { secret, hash, prefix } = newSecret();
  const change = await changeKey(db, { id, action: 'key.rotate', actor }, async (tx, key) => {
    if (key.id === MACHINE_KEY.id)
      throw new DbError(
        'KEY_BUILT_IN',
        'This key is the BLYAN_API_KEY of the main node: change the variable, or delete keys/api-key in its data directory, and start again.',
      );
    const now = new Date();
    const grace = graceDays > 0;
    const changed = await tx.nodeKey.update({
      where: { id },
      data: {
        hash,
        prefix,
        rotatedAt: now,
        previousHash: grace ? key.hash : null,
        previousUntil: grace ? new Date(now.getTime() + graceDays * DAY_MS) : null,
      },
    });
    return { changed, cut: grace ? [] : await endLeases(tx, id) };
  });
  return { ...change, secret };
}

/** Refuses the key until it is enabled again, and ends the leases of its nodes. Throws as rotateNodeKey. */
export function disableNodeKey(db: Db, id: string, actor: Actor): Promise<KeyChange> {
  return changeKey(db, { id, action: 'key.disable', actor }, async (tx, key) => ({
    changed: await tx.nodeKey.update({
      where: { id },
      data: { disabledAt: key.disabledAt ?? new Date() },
    }),
    cut: await endLeases(tx, id),
  }));
}

export function enableNodeKey(db: Db, id: string, actor: Actor): Promise<KeyChange> {
  return changeKey(db, { id, action: 'key.enable', actor }, async (tx) => ({
    changed: await tx.nodeKey.update({ where: { id }, data: { disabledAt: null } }),
    cut: [],
  }));
}

/**
 * Refuses the key for ever, and ends the leases of its nodes.
 * @param typed the key's name, typed again; null where the caller has no one to ask
 * @throws DbError KEY_NAME_WRONG, and as rotateNodeKey
 */
export function revokeNodeKey(
  db: Db,
  { id, typed }: { id: string; typed: string | null },
  actor: Actor,
): Promise<KeyChange> {
  return changeKey(db, { id, action: 'key.revoke', actor }, async (tx, key) => {
    if (typed !== null && typed !== key.name)
      throw new DbError('KEY_NAME_WRONG', `Type the name of the key, "${key.name}", to revoke it.`);
    const changed = await tx.nodeKey.update({
      where: { id },
      data: { revokedAt: new Date(), previousHash: null, previousUntil: null },
    });
    return { changed, cut: await endLeases(tx, id) };
  });
}

/**
 * Other limits. Nodes that they do not allow lose their leases: those at other addresses, and of too many
 * those that came last.
 * @throws DbError KEY_INVALID, KEY_NAME_TAKEN, KEY_UNKNOWN, KEY_REVOKED, KEY_BUILT_IN for another name
 */
export function editNodeKey(
  db: Db,
  { id, ...limits }: { id: string } & KeyLimits,
  actor: Actor,
): Promise<KeyChange> {
  return changeKey(db, { id, action: 'key.edit', actor }, async (tx, key) => {
    const { name = key.name, maxNodes, addresses, expiresAt } = limits;
    assertLimits(limits);
    if (name !== key.name) {
      if (key.id === MACHINE_KEY.id)
        throw new DbError('KEY_BUILT_IN', "The name of the main node's own key cannot be changed.");
      await assertFree(tx, name);
    }
    const changed = await tx.nodeKey.update({
      where: { id },
      data: { name, maxNodes, addresses, expiresAt },
    });
    const nodes = await tx.node.findMany({
      where: { keyId: id, leaseUntil: { gt: new Date() } },
      orderBy: [{ registeredAt: 'asc' }, { id: 'asc' }],
      select: { id: true, address: true },
    });
    const allowed = nodes.filter(({ address }) => inRanges(address ?? '', changed.addresses));
    const kept = new Set(allowed.slice(0, changed.maxNodes).map((node) => node.id));
    const out = nodes.map((node) => node.id).filter((nodeId) => !kept.has(nodeId));
    return { changed, cut: out.length > 0 ? await endLeases(tx, id, out) : [] };
  });
}

async function changeKey(
  db: Db,
  { id, action, actor }: { id: string; action: string; actor: Actor },
  change: (tx: Tx, key: NodeKey) => Promise<{ changed: NodeKey; cut: string[] }>,
): Promise<KeyChange> {
  return await db.$transaction(async (tx) => {
    // Two admins at once: the second one sees what the first one made of it.
    await tx.$queryRaw`SELECT 1 FROM "NodeKey" WHERE id = ${id} FOR UPDATE`;
    const key = await tx.nodeKey.findUnique({ where: { id } });
    if (!key) throw new DbError('KEY_UNKNOWN', `There is no key ${id}.`, { id });
    if (key.revokedAt)
      throw new DbError('KEY_REVOKED', `The key "${key.name}" is revoked for good.`, { id });
    const { changed, cut } = await change(tx, key);
    const subject = `key:${id}`;
    const after = { ...audited(changed), ...(cut.length > 0 && { cut }) };
    await appendAudit(tx, { actor, action, subject, before: audited(key), after });
    return { key: keyInfo(changed), cut };
  });
}

/** @param nodeIds default: all nodes of the key */
async function endLeases(tx: Tx, keyId: string, nodeIds?: string[]): Promise<string[]> {
  const where = { keyId, leaseUntil: { not: null }, ...(nodeIds && { id: { in: nodeIds } }) };
  const nodes = await tx.node.findMany({ where, select: { id: true }, orderBy: { id: 'asc' } });
  await tx.node.updateMany({ where, data: { leaseUntil: null } });
  return nodes.map(({ id }) => id);
}

/** With how many of its nodes have a lease. */
export type ListedKey = KeyInfo & { liveNodes: number };

/** All keys, the newest first. There are as many as admins made by hand. */
export async function listNodeKeys(tx: Tx): Promise<ListedKey[]> {
  const [keys, leases] = await Promise.all([
    tx.nodeKey.findMany({ orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] }),
    tx.node.groupBy({ by: ['keyId'], where: { leaseUntil: { gt: new Date() } }, _count: true }),
  ]);
  const live = new Map(leases.map(({ keyId, _count }) => [keyId, _count]));
  return keys.map((key) => ({ ...keyInfo(key), liveNodes: live.get(key.id) ?? 0 }));
}

/** By id or name. @throws DbError KEY_UNKNOWN */
export async function findNodeKey(tx: Tx, ref: string): Promise<KeyInfo> {
  const key = await tx.nodeKey.findFirst({ where: { OR: [{ id: ref }, { name: ref }] } });
  if (!key) throw new DbError('KEY_UNKNOWN', `There is no key "${ref}".`, { ref });
  return keyInfo(key);
}
