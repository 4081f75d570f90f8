import { createHash } from 'node:crypto';
import { listAudit } from '@blyan/db/audit-log';
import type { Db } from '@blyan/db/client';
import { drainNode, evictNode, liftNode } from '@blyan/db/node-admin';
import {
  createNodeKey,
  disableNodeKey,
  editNodeKey,
  enableNodeKey,
  ensureMachineKey,
  listNodeKeys,
  revokeNodeKey,
  rotateNodeKey,
  verifyNodeKey,
} from '@blyan/db/node-keys';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { openTestDb } from './support.ts';

const admin = { kind: 'admin', id: 'ada@example.org', address: '192.0.2.1' } as const;
const use = { address: '203.0.113.7', nodeId: 'worker-1' };

let test: Awaited<ReturnType<typeof openTestDb>>;
let db: Db;
let made = 0;
beforeAll(async () => {
  test = await openTestDb(inject('databaseUrl'));
  db = test.db;
});
afterAll(() => test[Symbol.asyncDispose]());

const create = (over: Partial<Parameters<typeof createNodeKey>[1]> = {}) =>
  createNodeKey(db, { name: `key ${++made}`, scopes: ['serve'], maxNodes: 1, ...over }, admin);

async function refusal(secret: string, over: Partial<typeof use> = {}) {
  const check = await verifyNodeKey(db, secret, { ...use, ...over });
  return check.ok ? 'let in' : check.reason;
}

const lease = (id: string, keyId: string, ms = 60_000) =>
  db.node.create({
    data: { id, version: '1', keyId, leaseUntil: new Date(Date.now() + ms) },
  });

describe('a secret', () => {
  it('has 256 random bits; neither it nor its hash is in a list or in the log', async () => {
    const { secret, key } = await create();
    expect(secret).toMatch(/^blyan_[A-Za-z0-9_-]{43}$/);
    expect(secret.startsWith(key.prefix)).toBe(true);
    expect(key.prefix).toHaveLength(12);
    const row = await db.nodeKey.findUniqueOrThrow({ where: { id: key.id } });
    const hash = createHash('sha256').update(secret).digest();
    expect(Buffer.from(row.hash).equals(hash)).toBe(true);
    const shown = JSON.stringify([key, await listNodeKeys(db), await log()], (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    for (const hidden of [secret, hash.toString('hex'), hash.toString('base64')]) {
      expect(shown).not.toContain(hidden);
    }
    expect(shown).not.toMatch(/hash/i);
  });

  it('lets a node in and records its use', async () => {
    const { secret, key } = await create();
    const check = await verifyNodeKey(db, secret, use);
    expect(check).toMatchObject({ ok: true, goodUntil: null, key: { lastNodeId: 'worker-1' } });
    const [row] = (await listNodeKeys(db)).filter(({ id }) => id === key.id);
    expect(row).toMatchObject({ lastAddress: use.address, lastNodeId: 'worker-1' });
    expect(Date.now() - Number(row?.lastUsedAt)).toBeLessThan(10_000);
  });

  it('is refused for each reason of its own', async () => {
    const { secret, key } = await create({ addresses: ['203.0.113.0/24', '2001:db8::/32'] });
    expect(await refusal(`${secret.slice(0, -1)}_`)).toBe('unknown');
    expect(await refusal('')).toBe('unknown');
    expect(await refusal(secret, { address: '203.0.114.1' })).toBe('address_not_allowed');
    expect(await refusal(secret, { address: 'nonsense' })).toBe('address_not_allowed');
    expect(await refusal(secret, { address: '2001:db9::1' })).toBe('address_not_allowed');
    expect(await refusal(secret, { address: '2001:db8::1' })).toBe('let in');
    expect(await refusal(secret, { address: '::ffff:203.0.113.9' })).toBe('let in');
    await disableNodeKey(db, key.id, admin);
    expect(await refusal(secret)).toBe('disabled');
    await enableNodeKey(db, key.id, admin);
    expect(await refusal(secret)).toBe('let in');
    await db.nodeKey.update({ where: { id: key.id }, data: { expiresAt: new Date() } });
    expect(await refusal(secret)).toBe('expired');
    await revokeNodeKey(db, { id: key.id, typed: key.name }, admin);
    expect(await refusal(secret)).toBe('revoked');
  });

  it('is good for so many live nodes', async () => {
    const { secret, key } = await create({ maxNodes: 1 });
    await lease('n-live', key.id);
    await lease('n-gone', key.id, -1);
    expect(await refusal(secret, { nodeId: 'n-other' })).toBe('too_many_nodes');
    expect(await refusal(secret, { nodeId: 'n-live' })).toBe('let in');
    await db.node.update({ where: { id: 'n-live' }, data: { leaseUntil: new Date() } });
    expect(await refusal(secret, { nodeId: 'n-other' })).toBe('let in');
  });

  it('gives the last place to one of many that ask at once', async () => {
    const { secret, key } = await create({ maxNodes: 2 });
    const join = (nodeId: string) =>
      db.$transaction(async (tx) => {
        const check = await verifyNodeKey(tx, secret, { ...use, nodeId });
        if (!check.ok) return false;
        const data = { keyId: key.id, version: '1', leaseUntil: new Date(Date.now() + 60_000) };
        await tx.node.create({ data: { id: nodeId, ...data } });
        return true;
      });
    const joined = await Promise.all(Array.from({ length: 6 }, (_, i) => join(`race-${i}`)));
    expect(joined.filter(Boolean)).toHaveLength(2);
  });
});

describe('changes', () => {
  it('rotation keeps the old secret for the grace period, and no longer', async () => {
    const { secret: old, key } = await create({ maxNodes: 9 });
    await lease('r-1', key.id);
    const { secret, cut } = await rotateNodeKey(db, { id: key.id, graceDays: 30 }, admin);
    expect(cut).toEqual([]);
    expect(await refusal(secret)).toBe('let in');
    const check = await verifyNodeKey(db, old, use);
    if (!check.ok) throw new Error(check.reason);
    expect(Number(check.goodUntil) - Date.now()).toBeGreaterThan(29 * 86_400_000);
    await db.nodeKey.update({ where: { id: key.id }, data: { previousUntil: new Date() } });
    expect(await refusal(old)).toBe('expired');

    const again = await rotateNodeKey(db, { id: key.id, graceDays: 0 }, admin);
    expect(again.cut).toEqual(['r-1']);
    expect(await refusal(old)).toBe('unknown');
    expect(await refusal(secret)).toBe('unknown');
    expect(await refusal(again.secret)).toBe('let in');
    for (const graceDays of [-1, 30.5, Number.NaN]) {
      const rotate = rotateNodeKey(db, { id: key.id, graceDays }, admin);
      await expect(rotate).rejects.toMatchObject({ code: 'KEY_INVALID' });
    }
  });

  it('revoking takes the name, ends the leases, and is final', async () => {
    const { key } = await create();
    await lease('v-1', key.id);
    const wrong = revokeNodeKey(db, { id: key.id, typed: key.name.toUpperCase() }, admin);
    await expect(wrong).rejects.toMatchObject({ code: 'KEY_NAME_WRONG' });
    const { cut } = await revokeNodeKey(db, { id: key.id, typed: key.name }, admin);
    expect(cut).toEqual(['v-1']);
    expect(await db.node.findUnique({ where: { id: 'v-1' } })).toMatchObject({ leaseUntil: null });
    for (const change of [
      () => rotateNodeKey(db, { id: key.id, graceDays: 1 }, admin),
      () => enableNodeKey(db, key.id, admin),
      () => revokeNodeKey(db, { id: key.id, typed: key.name }, admin),
    ]) {
      await expect(change()).rejects.toMatchObject({ code: 'KEY_REVOKED' });
    }
    await expect(enableNodeKey(db, 'k_none', admin)).rejects.toMatchObject({ code: 'KEY_UNKNOWN' });
  });

  it('other limits cut off the nodes that they do not allow, and nothing else', async () => {
    const { secret, key } = await create({ maxNodes: 9, expiresAt: new Date(Date.now() + 60_000) });
    const join = (id: string, address: string, registeredAt: number) =>
      db.node.create({
        data: {
          id,
          version: '1',
          keyId: key.id,
          address,
          registeredAt: new Date(registeredAt),
          leaseUntil: new Date(Date.now() + 60_000),
        },
      });
    await join('e-old', '203.0.113.1', 1000);
    await join('e-new', '203.0.113.2', 3000);
    await join('e-far', '192.0.2.1', 2000);
    const edit = (limits: object) => editNodeKey(db, { id: key.id, ...limits }, admin);
    const name = `${key.name} renamed`;
    expect(await edit({ name, expiresAt: null })).toMatchObject({
      key: { name, expiresAt: null, maxNodes: 9, prefix: key.prefix },
      cut: [],
    });
    expect((await edit({ addresses: ['203.0.113.0/24'] })).cut).toEqual(['e-far']);
    expect((await edit({ maxNodes: 1 })).cut).toEqual(['e-new']);
    expect(await refusal(secret, { address: '192.0.2.1' })).toBe('address_not_allowed');
    expect(await refusal(secret, { nodeId: 'e-new' })).toBe('too_many_nodes');
    expect(await refusal(secret, { nodeId: 'e-old' })).toBe('let in');
    const [entry] = await log({ search: key.id });
    expect(entry).toMatchObject({
      action: 'key.edit',
      actorId: admin.id,
      before: { maxNodes: 9 },
      after: { maxNodes: 1, cut: ['e-new'] },
    });
    const other = (await create()).key;
    for (const [limits, code] of [
      [{ name: other.name }, 'KEY_NAME_TAKEN'],
      [{ maxNodes: 0 }, 'KEY_INVALID'],
      [{ addresses: ['10.1/16'] }, 'KEY_INVALID'],
      [{ expiresAt: new Date() }, 'KEY_INVALID'],
    ] as const) {
      await expect(edit(limits)).rejects.toMatchObject({ code });
    }
    await revokeNodeKey(db, { id: key.id, typed: name }, admin);
    await expect(edit({ maxNodes: 2 })).rejects.toMatchObject({ code: 'KEY_REVOKED' });
  });

  it.each([
    [{ name: '' }, 'KEY_INVALID'],
    [{ name: 'a\nb' }, 'KEY_INVALID'],
    [{ name: '=cmd()' }, 'KEY_INVALID'],
    [{ maxNodes: 0 }, 'KEY_INVALID'],
    [{ scopes: [] }, 'KEY_INVALID'],
    [{ addresses: ['10.1/16'] }, 'KEY_INVALID'],
    [{ addresses: ['10.0.0.0/33'] }, 'KEY_INVALID'],
    [{ addresses: ['example.org'] }, 'KEY_INVALID'],
    [{ expiresAt: new Date(0) }, 'KEY_INVALID'],
    [{ name: 'this machine' }, 'KEY_NAME_TAKEN'],
  ])('%j is refused', async (over, code) => {
    await expect(create(over)).rejects.toMatchObject({ code });
  });

  it('a name is taken once', async () => {
    const { key } = await create();
    await expect(create({ name: key.name })).rejects.toMatchObject({ code: 'KEY_NAME_TAKEN' });
  });
});

describe('the key of the main node', () => {
  it('is made at a start, kept at the next, and follows the variable', async () => {
    const secret = 'the configured key of this test';
    const first = await ensureMachineKey(db, { secret, scopes: ['serve', 'blobs'] });
    expect(first).toMatchObject({ name: 'this machine', builtIn: true });
    const entries = (await log()).length;
    await Promise.all([1, 2].map(() => ensureMachineKey(db, { secret, scopes: ['serve'] })));
    expect(await log()).toHaveLength(entries);
    expect(await refusal(secret)).toBe('let in');
    await expect(rotateNodeKey(db, { id: first.id, graceDays: 0 }, admin)).rejects.toMatchObject({
      code: 'KEY_BUILT_IN',
    });
    await revokeNodeKey(db, { id: first.id, typed: first.name }, admin);
    await ensureMachineKey(db, { secret, scopes: ['serve'] });
    expect(await refusal(secret)).toBe('revoked');
    await ensureMachineKey(db, { secret: `${secret}, changed`, scopes: ['serve'] });
    expect(await refusal(secret)).toBe('unknown');
    expect(await refusal(`${secret}, changed`)).toBe('let in');
    const issued = await create();
    const same = await ensureMachineKey(db, { secret: issued.secret, scopes: ['serve'] });
    expect(same.id).toBe(issued.key.id);
  });
});

const log = async (filter = {}) => (await listAudit(db, filter, { limit: 200 })).entries;

describe('the audit log', () => {
  it('has each change with before and after, and none that failed', async () => {
    const { key } = await create();
    await disableNodeKey(db, key.id, admin);
    await revokeNodeKey(db, { id: key.id, typed: 'no' }, admin).catch(() => undefined);
    await revokeNodeKey(db, { id: key.id, typed: key.name }, admin);
    const entries = await log({ search: key.id });
    expect(entries.map(({ action }) => action)).toEqual([
      'key.revoke',
      'key.disable',
      'key.create',
    ]);
    expect(entries[1]).toMatchObject({
      actor: 'admin',
      actorId: admin.id,
      address: admin.address,
      before: { disabledAt: null },
      after: { disabledAt: expect.stringMatching(/^\d{4}-/) },
    });
  });

  it('cannot be changed by anybody', async () => {
    const before = await log();
    await expect(db.auditEntry.deleteMany()).rejects.toThrow(/append-only/);
    await expect(db.auditEntry.updateMany({ data: { actor: 'x' } })).rejects.toThrow(/append-only/);
    await expect(db.$executeRawUnsafe('TRUNCATE "AuditEntry"')).rejects.toThrow(/append-only/);
    expect(await log()).toEqual(before);
  });

  it('pages and filters', async () => {
    const all = await log();
    const first = await listAudit(db, {}, { limit: 3 });
    const second = await listAudit(db, {}, { limit: 3, before: first.next ?? 0n });
    expect([...first.entries, ...second.entries]).toEqual(all.slice(0, 6));
    expect((await log({ action: 'key.rotate' })).every((e) => e.action === 'key.rotate')).toBe(
      true,
    );
    expect(await log({ actor: 'node' })).toEqual([]);
    expect(await log({ from: new Date(Date.now() + 1000) })).toEqual([]);
    expect((await log({ search: '192.0.2' })).length).toBeGreaterThan(3);
  });

  it('has what was decided about a node', async () => {
    await db.node.create({
      data: { id: 'bad', version: '1', leaseUntil: new Date(), mark: 'lied' },
    });
    await drainNode(db, 'bad', true, admin);
    expect(await evictNode(db, 'bad', admin)).toMatchObject({ draining: true, leaseUntil: null });
    expect(await liftNode(db, 'bad', admin)).toMatchObject({ evictedAt: null, mark: null });
    await expect(evictNode(db, 'none', admin)).rejects.toMatchObject({ code: 'NODE_UNKNOWN' });
    expect((await log({ search: 'node:bad' })).map(({ action }) => action)).toEqual([
      'node.lift',
      'node.evict',
      'node.drain',
    ]);
  });
});
