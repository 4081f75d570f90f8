import { bodyHash, encodeBody } from '@blyan/chain/body';
import { checkAuthor, openCheckpoint } from '@blyan/chain/checkpoint';
import { toHex } from '@blyan/chain/hex';
import { generateKeyPair } from '@blyan/chain/keys';
import {
  appendBlock,
  appendBody,
  appendPort,
  findByBodyHash,
  getBlock,
  head,
  listBlocks,
  verifyStoredChains,
} from '@blyan/db/chain';
import { describe, expect, inject, it } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { hashAt, layer, layerBody, openTestChain, openTestDb, seal, tables } from './support.ts';

const adminUrl = inject('databaseUrl');

describe('append', () => {
  it('moves head, log and checkpoint, and everything verifies from the genesis', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    for (let i = 0; i < 5; i++) {
      const sealed = await seal(db, layer(`w${i}`, secretKey));
      const done = await appendBlock(db, sealed, { secretKey });
      expect(done).toMatchObject({ chain: 'B', height: i + 1, appended: true });
      expect(await appendBlock(db, sealed, { secretKey })).toEqual({ ...done, appended: false });
    }
    const body = layerBody('w9');
    await appendBody(db, { chain: 'B', type: 'layer', body, secretKey });
    const verifier = await verifyStoredChains(db, { genesis: t.genesis.hash });
    expect(verifier.size('B')).toBe(7);
    const top = await head(db, 'B');
    const opened = openCheckpoint(top?.checkpoint ?? new Uint8Array());
    checkAuthor(opened, verifier);
    expect(opened.checkpoint).toMatchObject({ chain: 'B', size: 7, head: top?.hash });
    expect(opened.checkpoint.log).toEqual(verifier.logRoot('B', 7));

    const found = await findByBodyHash(db, 'B', bodyHash(encodeBody('layer', body)));
    expect(found).toEqual({ hash: top?.hash, height: 6 });
    const port = appendPort(db, { secretKey });
    expect(await port.findByBody('B', new Uint8Array(32))).toBeNull();
    expect(await getBlock(db, 'B', toHex(top?.hash ?? new Uint8Array()))).toMatchObject({
      height: 6,
    });
    expect(await getBlock(db, 'A', top?.hash ?? new Uint8Array())).toBeNull();
    expect(await getBlock(db, 'B', 7)).toBeNull();
    const down = await listBlocks(db, 'B', { from: 4, limit: 2, order: 'desc' });
    expect(down.map((b) => b.height)).toEqual([4, 3]);
  });

  it('refuses each forgery with its own code and leaves every table as it was', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    const signer = { secretKey };
    await appendBody(db, layer('w0', secretKey));
    const old = await hashAt(db, 'A', 0);
    const other = generateKeyPair();
    // Moves chain A's head, so that its genesis is a stale anchor.
    await appendBody(db, {
      chain: 'A',
      type: 'authority',
      body: { action: 'add', key: generateKeyPair().publicKey },
      secretKey,
    });
    await appendBody(db, layer('w1', secretKey));
    const before = await tables(db);
    const next = (overrides: Parameters<typeof seal>[2] = {}, key = secretKey) =>
      seal(db, layer('x', key), overrides);
    const honest = await next();
    const signature = honest.signature.slice();
    signature[3] = (signature[3] ?? 0) ^ 1;
    const body = honest.body.slice();
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    const cases = {
      SIGNATURE_INVALID: { ...honest, signature },
      BODY_HASH: { ...honest, body },
      PREV_MISMATCH: await next({ prev: await hashAt(db, 'B', 1) }),
      LOG_MISMATCH: await next({ log: new Uint8Array(32) }),
      TIME_BACKWARDS: await next({ time: 1 }),
      HEIGHT_GAP: await next({ height: 9 }),
      ANCHOR_UNKNOWN: await next({ anchor: new Uint8Array(32).fill(7) }),
      ANCHOR_BACKWARDS: await next({ anchor: old }),
      AUTHOR_UNLISTED: await next({}, other.secretKey),
    };
    for (const [code, sealed] of Object.entries(cases)) {
      await expect(appendBlock(db, sealed, signer), code).rejects.toMatchObject({ code });
      expect(await tables(db), code).toEqual(before);
    }
    await appendBlock(db, honest, signer);
  });

  it('refuses a stale anchor', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    const sealed = await seal(db, layer('w0', secretKey));
    const key = generateKeyPair().publicKey;
    await appendBody(db, {
      chain: 'A',
      type: 'authority',
      body: { action: 'add', key },
      secretKey,
    });
    const before = await tables(db);
    const stale = appendBlock(db, sealed, { secretKey });
    await expect(stale).rejects.toMatchObject({ code: 'ANCHOR_STALE' });
    expect(await tables(db)).toEqual(before);
  });

  it('stops a removed key at once, and lets an added one write', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey, publicKey } = t;
    const added = generateKeyPair();
    const change = (action: 'add' | 'remove', key: Uint8Array, by: Uint8Array) =>
      appendBody(db, { chain: 'A', type: 'authority', body: { action, key }, secretKey: by });
    await expect(change('remove', publicKey, secretKey)).rejects.toMatchObject({
      code: 'AUTHORITY_LAST',
    });
    await change('add', added.publicKey, secretKey);
    await expect(change('add', added.publicKey, secretKey)).rejects.toMatchObject({
      code: 'AUTHORITY_KNOWN',
    });
    await appendBody(db, layer('by the first', secretKey));
    const backdated = await seal(db, layer('backdated', secretKey));
    await change('remove', publicKey, added.secretKey);
    const before = await tables(db);
    const signer = { secretKey: added.secretKey };
    await expect(appendBlock(db, backdated, signer)).rejects.toMatchObject({
      code: 'ANCHOR_STALE',
    });
    await expect(appendBody(db, layer('no', secretKey))).rejects.toMatchObject({
      code: 'AUTHOR_UNLISTED',
    });
    expect(await tables(db)).toEqual(before);
    await appendBody(db, layer('by the second', added.secretKey));
    expect((await verifyStoredChains(db, { genesis: t.genesis.hash })).size('B')).toBe(3);
  });

  it('keeps a second valid block at a height as evidence, once, and nothing else', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    const [first, second] = [
      await seal(db, layer('first', secretKey)),
      await seal(db, layer('second', secretKey)),
    ];
    const unlisted = await seal(db, layer('third', generateKeyPair().secretKey));
    const { hash } = await appendBlock(db, first, { secretKey });
    await appendBody(db, layer('on top', secretKey));
    const before = await tables(db);
    for (let i = 0; i < 2; i++) {
      await expect(appendBlock(db, second, { secretKey })).rejects.toMatchObject({
        code: 'EQUIVOCATION',
        details: { chain: 'B', height: 1, hash: toHex(hash) },
      });
    }
    await expect(appendBlock(db, unlisted, { secretKey })).rejects.toMatchObject({
      code: 'AUTHOR_UNLISTED',
    });
    const after = await tables(db);
    expect(after.blocks).toEqual(before.blocks);
    expect(after.heads).toEqual(before.heads);
    expect(after.evidence).toHaveLength(1);
    expect(after.evidence[0]).toMatchObject({ chain: 'B', height: 1, signature: second.signature });
  });

  it('lets one of two concurrent writers win, without a gap', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    const rivals = await Promise.all(['a', 'b'].map((name) => seal(db, layer(name, secretKey))));
    const results = await Promise.allSettled(rivals.map((s) => appendBlock(db, s, { secretKey })));
    expect(results.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = results.find((r) => r.status === 'rejected');
    expect(lost?.reason).toMatchObject({ code: 'EQUIVOCATION' });
    expect((await head(db, 'B'))?.size).toBe(2);
    // Sealed under the lock, everybody gets a height; chain A moves meanwhile.
    const names = Array.from({ length: 8 }, (_, i) => `w${i}`);
    await Promise.all([
      ...names.map((name) => appendBody(db, layer(name, secretKey))),
      ...[1, 2, 3].map(() => {
        const body = { action: 'add', key: generateKeyPair().publicKey } as const;
        return appendBody(db, { chain: 'A', type: 'authority', body, secretKey });
      }),
    ]);
    const verifier = await verifyStoredChains(db, { genesis: t.genesis.hash });
    expect([verifier.size('A'), verifier.size('B')]).toEqual([4, 10]);
    expect((await tables(db)).evidence).toHaveLength(1);
  });

  it('appends nothing when it fails half way', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    const before = await tables(db);
    // The block row is in when the head cannot be moved: as a crash between the two.
    await db.$executeRawUnsafe(
      `CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN RAISE 'crash'; END $$ LANGUAGE plpgsql`,
    );
    await db.$executeRawUnsafe(
      `CREATE TRIGGER fail BEFORE UPDATE ON "ChainHead" FOR EACH ROW EXECUTE FUNCTION fail()`,
    );
    await expect(appendBody(db, layer('w', secretKey))).rejects.toThrow('crash');
    expect(await tables(db)).toEqual(before);
    await db.$executeRawUnsafe(`DROP TRIGGER fail ON "ChainHead"`);
    await appendBody(db, layer('w', secretKey));
  });

  it('says that there is no genesis yet', async () => {
    await using t = await openTestDb(adminUrl);
    const { secretKey } = generateKeyPair();
    await expect(appendBody(t.db, layer('w', secretKey))).rejects.toMatchObject({
      code: 'NOT_INITIALIZED',
    });
  });
});

describe('verifyStoredChains', () => {
  it('notices edited rows', async () => {
    await using t = await openTestChain(adminUrl);
    const { db, secretKey } = t;
    for (const name of ['a', 'b', 'c']) await appendBody(db, layer(name, secretKey));
    const verify = () => verifyStoredChains(db, { genesis: t.genesis.hash });
    await verify();
    await db.chainHead.update({ where: { chain: 'B' }, data: { size: 3 } });
    await expect(verify()).rejects.toMatchObject({ code: 'STORED_CHAIN_CORRUPT' });
    await db.chainHead.update({ where: { chain: 'B' }, data: { size: 5 } });
    await expect(verify()).rejects.toMatchObject({ details: { chain: 'B', height: 4 } });
    await db.chainHead.update({ where: { chain: 'B' }, data: { size: 4 } });
    const where = { chain_height: { chain: 'B', height: 2 } };
    await db.block.update({ where, data: { body: new Uint8Array(3) } });
    await expect(verify()).rejects.toMatchObject({ code: 'BODY_LENGTH' });
  });
});
