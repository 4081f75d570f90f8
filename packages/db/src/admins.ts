/** Who is an admin: one becomes it only by a one-time link, of whose token a hash is kept. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Actor, appendAudit } from './audit-log.ts';
import type { Db, Tx } from './client.ts';
import { DbError } from './errors.ts';

const TOKEN_BYTES = 32;
const HOUR_MS = 3_600_000;
/** Somebody was told to expect it. */
export const INVITE_HOURS = 24;
/** Printed at the start for whoever comes first; the next start prints another one. */
const SETUP_HOURS = 7 * 24;
/** Any number that is ours: two links to the first admin must not make two. */
const SETUP_LOCK = 0x61646d;
const SYSTEM = 'system';

const hashOf = (token: string) => createHash('sha256').update(token).digest();

/** The path with the token in the fragment, which browsers send to nobody and no server logs. */
export const setupPath = (token: string) => `/admin/setup#${token}`;

/** A token for the first admin; earlier ones end. Null when there is an admin. */
export async function createSetupToken(db: Db): Promise<string | null> {
  return await db.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${SETUP_LOCK})`;
    if ((await tx.admin.count()) > 0) return null;
    await tx.adminInvite.deleteMany({ where: { createdBy: SYSTEM, usedAt: null } });
    return await addInvite(tx, SYSTEM, SETUP_HOURS);
  });
}

/** A token with which one further person becomes an admin. */
export async function createInvite(
  db: Db,
  actor: Actor,
): Promise<{ token: string; expiresAt: Date }> {
  return await db.$transaction(async (tx) => {
    const expiresAt = new Date(Date.now() + INVITE_HOURS * HOUR_MS);
    const token = await addInvite(tx, actor.id ?? actor.kind, INVITE_HOURS);
    await appendAudit(tx, {
      actor,
      action: 'admin.invite',
      subject: 'admin',
      after: { expiresAt },
    });
    return { token, expiresAt };
  });
}

async function addInvite(tx: Tx, createdBy: string, hours: number): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const expiresAt = new Date(Date.now() + hours * HOUR_MS);
  await tx.adminInvite.create({
    data: { id: randomUUID(), tokenHash: hashOf(token), createdBy, expiresAt },
  });
  return token;
}

/** Whether a token would be taken now. */
export async function isInviteOpen(tx: Tx, token: string): Promise<boolean> {
  const invite = await tx.adminInvite.findUnique({ where: { tokenHash: hashOf(token) } });
  return invite !== null && invite.usedAt === null && invite.expiresAt > new Date();
}

/** @throws DbError INVITE_INVALID */
export async function assertInviteOpen(tx: Tx, token: string): Promise<void> {
  if (!(await isInviteOpen(tx, token))) throw invalid();
}

const invalid = () =>
  new DbError(
    'INVITE_INVALID',
    'This link was used already, or its time is over. An admin can make a new one; where there is no admin yet, the next start of the main node prints one.',
  );

export interface NewAdmin {
  name: string;
  /** Lower case. */
  email: string;
  /** As better-auth keeps it. */
  passwordHash: string;
}

/**
 * Takes the token and makes the admin, in one transaction: of two that use a token at once, one wins.
 * @throws DbError INVITE_INVALID, ADMIN_EXISTS
 */
export async function acceptInvite(
  db: Db,
  { token, name, email, passwordHash }: NewAdmin & { token: string },
  address: string,
): Promise<void> {
  await db.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${SETUP_LOCK})`;
    const now = new Date();
    const { count } = await tx.adminInvite.updateMany({
      where: { tokenHash: hashOf(token), usedAt: null, expiresAt: { gt: now } },
      data: { usedAt: now, usedBy: email },
    });
    const invite = await tx.adminInvite.findUnique({ where: { tokenHash: hashOf(token) } });
    const late = invite?.createdBy === SYSTEM && (await tx.admin.count()) > 0;
    if (count !== 1 || late) throw invalid();
    if (await tx.admin.findUnique({ where: { email }, select: { id: true } }))
      throw new DbError('ADMIN_EXISTS', `There is an admin with the address ${email} already.`);
    const id = randomUUID();
    const account = { id: randomUUID(), accountId: id, providerId: 'credential' };
    await tx.admin.create({
      data: { id, name, email, accounts: { create: { ...account, password: passwordHash } } },
    });
    await appendAudit(tx, {
      actor: { kind: 'admin', id: email, address },
      action: 'admin.create',
      subject: `admin:${email}`,
      after: { name, email, invitedBy: invite?.createdBy ?? null },
    });
  });
}

export interface AdminInfo {
  name: string;
  email: string;
  createdAt: Date;
  twoFactorEnabled: boolean;
}

export async function listAdmins(tx: Tx): Promise<AdminInfo[]> {
  const select = { name: true, email: true, createdAt: true, twoFactorEnabled: true } as const;
  return await tx.admin.findMany({ select, orderBy: { createdAt: 'asc' } });
}

/** With its sessions and second factor. @throws DbError ADMIN_UNKNOWN */
export async function removeAdmin(db: Db, email: string, actor: Actor): Promise<void> {
  await db.$transaction(async (tx) => {
    const { count } = await tx.admin.deleteMany({ where: { email: email.toLowerCase() } });
    if (count === 0) throw new DbError('ADMIN_UNKNOWN', `There is no admin ${email}.`);
    const subject = `admin:${email.toLowerCase()}`;
    await appendAudit(tx, { actor, action: 'admin.remove', subject });
  });
}
