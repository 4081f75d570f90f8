import { readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { BlobStore } from '@blyan/store/blob-store';
import { StoreError } from '@blyan/store/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diskError } from '../src/errors.ts';
import { describeBlob, flip, LEAF_SIZE, pattern, tempDir } from './support.ts';

/** Sizes at which an off-by-one would show. */
const size = fc.oneof(
  fc.constantFrom(0, 1, LEAF_SIZE - 1, LEAF_SIZE, LEAF_SIZE + 1, 2 * LEAF_SIZE, 3 * LEAF_SIZE - 1),
  fc.integer({ min: 0, max: 3 * LEAF_SIZE }),
);

describe('writing', () => {
  it('gives the same root however the bytes are cut, and reads them back', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const cuts = fc.array(fc.integer({ min: 0, max: 2 * LEAF_SIZE }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(size, cuts, async (length, pieces) => {
        const blob = describeBlob(pattern(length, length));
        await using writer = await store.write();
        let at = 0;
        for (const piece of [...pieces, length]) {
          await writer.write(blob.bytes.subarray(at, at + piece));
          at = Math.min(length, at + piece);
        }
        const written = await writer.finish();
        expect(written).toEqual({ root: blob.root, byteLength: length, leaves: blob.leaves });
        const target = new Uint8Array(length);
        await store.readInto(blob.root, target);
        expect(Buffer.compare(target, blob.bytes)).toBe(0);
        expect(Buffer.compare(await store.leaves(blob.hex), blob.leaves)).toBe(0);
        expect(await store.stat(blob.root)).toEqual({ byteLength: length });
      }),
      { numRuns: 25 },
    );
  });

  it('lets the caller reuse its buffer', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const bytes = pattern(LEAF_SIZE + 100);
    await using writer = await store.write();
    const scratch = new Uint8Array(700);
    for (let at = 0; at < bytes.length; at += 700) {
      const piece = bytes.subarray(at, at + 700);
      scratch.set(piece);
      await writer.write(scratch.subarray(0, piece.length));
      scratch.fill(0);
    }
    expect((await writer.finish()).root).toEqual(describeBlob(bytes).root);
  });

  it('leaves nothing behind when it is not finished', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    {
      await using writer = await store.write();
      await writer.write(pattern(10));
      expect(await readdir(join(dir.path, 'tmp'))).toHaveLength(1);
    }
    expect(await readdir(join(dir.path, 'tmp'))).toEqual([]);
  });

  it('uses the documented names', async () => {
    await using dir = await tempDir();
    const blob = describeBlob(pattern(10));
    await (await BlobStore.open(dir.path)).put(blob.bytes);
    const path = join(dir.path, blob.hex.slice(0, 2), blob.hex);
    expect(Buffer.compare(await readFile(path), blob.bytes)).toBe(0);
    expect(Buffer.compare(await readFile(`${path}.leaves`), blob.leaves)).toBe(0);
  });
});

describe('reading', () => {
  it('serves exact ranges', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(LEAF_SIZE + 5));
    await store.put(blob.bytes);
    for (const [start, end] of [
      [0, 1],
      [LEAF_SIZE - 1, LEAF_SIZE + 2],
      [7, 7],
      [0, blob.byteLength],
    ] as const) {
      const read = await buffer(store.read(blob.root, { start, end }));
      expect(Buffer.compare(read, blob.bytes.subarray(start, end))).toBe(0);
    }
  });

  it('names what is missing or has another length', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(100));
    const read = () => store.readInto(blob.root, new Uint8Array(100));
    await expect(read()).rejects.toMatchObject({ code: 'BLOB_MISSING' });
    await store.put(blob.bytes);
    await truncate(join(dir.path, blob.hex.slice(0, 2), blob.hex), 99);
    await expect(read()).rejects.toMatchObject({
      code: 'LENGTH_MISMATCH',
      details: { root: blob.hex, expected: 100, actual: 99 },
    });
  });

  it('refuses roots that are paths', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    for (const root of ['../../etc/passwd', 'A'.repeat(64), '', new Uint8Array(31)]) {
      await expect(store.has(root)).rejects.toThrow(TypeError);
    }
  });

  it('checks the leaf list, and makes a lost one again', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(2 * LEAF_SIZE + 1));
    await store.put(blob.bytes);
    const path = join(dir.path, blob.hex.slice(0, 2), `${blob.hex}.leaves`);
    for (const bad of [
      flip(blob.leaves, 40),
      blob.leaves.slice(32),
      blob.leaves.slice(0, 90),
      new Uint8Array(0),
    ]) {
      await writeFile(path, bad);
      await expect(store.leaves(blob.root)).rejects.toMatchObject({ code: 'LEAVES_CORRUPT' });
    }
    const { rm } = await import('node:fs/promises');
    await rm(path);
    expect(Buffer.compare(await store.leaves(blob.root), blob.leaves)).toBe(0);
    expect((await stat(path)).size).toBe(96);
  });
});

describe('partial blobs', () => {
  it('take chunks in any order, survive reopening, and are whole at the end', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    await fc.assert(
      fc.asyncProperty(size, fc.array(fc.nat(3)), fc.nat(1000), async (length, order, seed) => {
        const blob = describeBlob(pattern(length, seed + 5000));
        const count = blob.leaves.length / 32;
        const chunk = (i: number) => blob.bytes.subarray(i * LEAF_SIZE, (i + 1) * LEAF_SIZE);
        const first = new Set(order.filter((i) => i < count));
        if (await store.has(blob.root)) return;
        {
          await using part = await store.resume(blob.root, length, blob.leaves);
          for (const i of first) await part.writeChunk(i, chunk(i));
        }
        expect(await store.has(blob.root)).toBe(false);
        const reopened = await BlobStore.open(dir.path);
        await using part = await reopened.resume(blob.root, length, blob.leaves);
        // The empty blob's only chunk needs no bytes.
        const want = [...Array(count).keys()].filter((i) => !first.has(i) && length > 0);
        expect(part.missing()).toEqual(want);
        if (want.length > 0)
          await expect(part.finish()).rejects.toMatchObject({ code: 'INCOMPLETE' });
        for (const i of want) await part.writeChunk(i, chunk(i));
        await part.finish();
        const target = new Uint8Array(length);
        await store.readInto(blob.root, target);
        expect(Buffer.compare(target, blob.bytes)).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('trust nothing that the partial file holds', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(3 * LEAF_SIZE));
    const forged = flip(blob.bytes, LEAF_SIZE + 1);
    await writeFile(
      join(dir.path, 'tmp', `${blob.hex}.part`),
      Buffer.concat([forged, pattern(99)]),
    );
    await using part = await store.resume(blob.root, blob.byteLength, blob.leaves);
    expect(part.missing()).toEqual([1]);
    const bad = part.writeChunk(1, forged.subarray(LEAF_SIZE, 2 * LEAF_SIZE));
    await expect(bad).rejects.toMatchObject({ code: 'CHUNK_CORRUPT', details: { chunk: 1 } });
    await part.writeChunk(1, blob.bytes.subarray(LEAF_SIZE, 2 * LEAF_SIZE));
    await part.finish();
    expect(await store.stat(blob.root)).toEqual({ byteLength: blob.byteLength });
  });

  it('refuse a leaf list of another blob or length', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(2 * LEAF_SIZE));
    for (const [length, leaves] of [
      [blob.byteLength, flip(blob.leaves, 3)],
      [blob.byteLength + 1, blob.leaves],
      [LEAF_SIZE, blob.leaves],
    ] as const) {
      const resumed = store.resume(blob.root, length, leaves);
      await expect(resumed).rejects.toMatchObject({ code: 'LEAVES_CORRUPT' });
    }
  });

  it('may be finished by two downloads at once', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(10));
    await using a = await store.resume(blob.root, 10, blob.leaves);
    await using b = await store.resume(blob.root, 10, blob.leaves);
    await Promise.all([a.writeChunk(0, blob.bytes), b.writeChunk(0, blob.bytes)]);
    await Promise.all([a.finish(), b.finish()]);
    expect(await store.has(blob.root)).toBe(true);
  });
});

describe('repair', () => {
  it('replaces a bad chunk by verified bytes only', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blob = describeBlob(pattern(2 * LEAF_SIZE + 17));
    await store.put(blob.bytes);
    const path = join(dir.path, blob.hex.slice(0, 2), blob.hex);
    await writeFile(path, Buffer.concat([flip(blob.bytes, LEAF_SIZE), pattern(5)]));
    const wrong = flip(blob.bytes, LEAF_SIZE).subarray(LEAF_SIZE, 2 * LEAF_SIZE);
    const refused = store.repairChunk(blob.root, 1, wrong);
    await expect(refused).rejects.toMatchObject({ code: 'CHUNK_CORRUPT' });
    await store.repairChunk(blob.root, 1, blob.bytes.subarray(LEAF_SIZE, 2 * LEAF_SIZE));
    await store.repairChunk(blob.root, 2, blob.bytes.subarray(2 * LEAF_SIZE));
    expect(Buffer.compare(await readFile(path), blob.bytes)).toBe(0);
  });
});

describe('opening', () => {
  it('sweeps temporary files of the dead, not of the living, and keeps downloads', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const tmp = join(dir.path, 'tmp');
    await using _writer = await store.write();
    const [mine = ''] = await readdir(tmp);
    const dead = mine.replace(/-\d+-/, '-4194399-');
    const elsewhere = `00000000-1-ab.tmp`;
    const old = `00000000-2-ab.tmp`;
    const part = `${'a'.repeat(64)}.part`;
    for (const name of [dead, elsewhere, old, part]) await writeFile(join(tmp, name), 'x');
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
    for (const name of [old, part]) await utimes(join(tmp, name), longAgo, longAgo);
    await BlobStore.open(dir.path);
    expect((await readdir(tmp)).sort()).toEqual([mine, elsewhere, part].sort());
  });
});

describe('removing', () => {
  it('takes a blob away; never from a store that is protected, whoever opens it', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const [first, second] = [await store.put(pattern(10)), await store.put(pattern(20))];
    await store.remove(first.root);
    expect(await store.has(first.root)).toBe(false);
    await store.protect();
    await store.protect();
    const other = await BlobStore.open(dir.path);
    expect(await other.isProtected()).toBe(true);
    await expect(other.remove(second.root)).rejects.toMatchObject({ code: 'STORE_PROTECTED' });
    expect((await other.list()).map(({ bytes }) => bytes)).toEqual([20 + 32]);
  });
});

describe('errors', () => {
  it.runIf(process.platform === 'linux')('a full disk is said to be full', async () => {
    const error = diskError(
      await writeFile('/dev/full', 'x').catch((e: unknown) => e),
      '/data/blobs',
    );
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: 'DISK_FULL', details: { path: '/data/blobs' } });
    expect((error as StoreError).message).toContain('BLYAN_BLOB_DIR');
  });
});
