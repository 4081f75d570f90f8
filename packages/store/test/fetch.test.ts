import { BlobStore } from '@blyan/store/blob-store';
import { StoreError } from '@blyan/store/errors';
import { type BlobSource, fetchBlob } from '@blyan/store/fetch';
import { httpSource } from '@blyan/store/http-source';
import { describe, expect, it } from 'vitest';
import {
  answer,
  describeBlob,
  flip,
  LEAF_SIZE,
  pattern,
  serve,
  type TestBlob,
  tempDir,
} from './support.ts';

const blob = describeBlob(pattern(5 * LEAF_SIZE + 123));

async function expectStored(store: BlobStore, { hex, bytes }: TestBlob): Promise<void> {
  const target = new Uint8Array(bytes.length);
  await store.readInto(hex, target);
  expect(Buffer.compare(target, bytes)).toBe(0);
}

describe.concurrent('fetchBlob', () => {
  it('fetches blobs of all sizes around a leaf, and reports verified bytes', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const sizes = [0, 1, LEAF_SIZE - 1, LEAF_SIZE, LEAF_SIZE + 1, 40 * LEAF_SIZE + 3];
    const blobs = sizes.map((length) => describeBlob(pattern(length, 9)));
    await using server = await serve(blobs);
    for (const one of blobs) {
      const seen: number[] = [];
      const onProgress = (p: { done: number }) => void seen.push(p.done);
      await fetchBlob(one, { store, sources: [httpSource(server.url)], onProgress });
      await expectStored(store, one);
      expect(seen.at(-1)).toBe(one.byteLength);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    }
    const before = server.ranges.length;
    await fetchBlob(blobs[3] as TestBlob, { store, sources: [httpSource(server.url)] });
    expect(server.ranges).toHaveLength(before);
  });

  it('goes on behind cut connections without asking again for what it has', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    await using server = await serve([blob], (res, range, { bytes }) => {
      if (range.nth >= 3) return false;
      res.writeHead(206, {
        'content-range': `bytes ${range.start}-${range.end - 1}/${bytes.length}`,
        'content-length': range.end - range.start,
      });
      // One chunk and a half, then the line goes dead.
      res.write(bytes.subarray(range.start, range.start + 1.5 * LEAF_SIZE), () => {
        setTimeout(() => res.destroy(), 50);
      });
      return true;
    });
    await fetchBlob(blob, { store, sources: [httpSource(server.url)], concurrency: 1 });
    await expectStored(store, blob);
    expect(server.ranges.map((r) => r.start / LEAF_SIZE)).toEqual([0, 1, 2, 3]);
  });

  it('says which source sent wrong bytes', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    await using good = await serve([blob]);
    await using bad = await serve([{ ...blob, bytes: flip(blob.bytes, 3 * LEAF_SIZE) }]);
    await using badList = await serve([blob], undefined, () => flip(blob.leaves, 7));
    const wrong: object[] = [];
    const sources = [badList, bad, good].map(({ url }) => httpSource(url));
    await fetchBlob(blob, { store, sources, onWrong: (w) => void wrong.push(w), concurrency: 1 });
    await expectStored(store, blob);
    const root = blob.hex;
    expect(wrong).toContainEqual({ source: badList.url, root, chunk: null });
    for (const one of wrong.slice(1)) expect(one).toEqual({ source: bad.url, root, chunk: 3 });
  });

  it('asks the last source, too, however many have nothing or are gone', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    await using good = await serve([blob]);
    await using empty = await serve([]);
    const nothing = Array.from({ length: 20 }, () => httpSource(empty.url));
    await fetchBlob(blob, { store, sources: [...nothing, httpSource(good.url)] });
    await expectStored(store, blob);
  });

  it('finds out once that a source is dead, not at each blob', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const blobs = Array.from({ length: 6 }, (_, seed) => describeBlob(pattern(1000, seed)));
    await using good = await serve(blobs);
    const asked: string[] = [];
    const fail = () => new StoreError('SOURCE_FAILED', 'nobody is there');
    const dead: BlobSource = {
      name: 'dead',
      leaves: (root) => {
        asked.push(root);
        return Promise.reject(fail());
      },
      // biome-ignore lint/correctness/useYield: it fails before it has anything
      async *read(root) {
        asked.push(root);
        throw fail();
      },
    };
    for (const one of blobs) {
      await fetchBlob(one, { store, sources: [httpSource(good.url), dead] });
      await expectStored(store, one);
    }
    expect(asked).toHaveLength(1);
  });

  it('resumes at the first missing chunk after an abort', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const stop = new AbortController();
    await using stuck = await serve([blob], (res, range, { bytes }) => {
      res.writeHead(206, {
        'content-range': `bytes ${range.start}-${range.end - 1}/${bytes.length}`,
      });
      res.write(bytes.subarray(0, 2 * LEAF_SIZE));
      return true;
    });
    const onProgress = ({ done }: { done: number }) => {
      if (done >= 2 * LEAF_SIZE) stop.abort(new Error('drained'));
    };
    const sources = [httpSource(stuck.url)];
    const aborted = fetchBlob(blob, { store, sources, signal: stop.signal, onProgress });
    await expect(aborted).rejects.toThrow('drained');
    expect(await store.has(blob.root)).toBe(false);
    await using server = await serve([blob]);
    await fetchBlob(blob, { store, sources: [httpSource(server.url)], concurrency: 1 });
    expect(server.ranges).toMatchObject([{ start: 2 * LEAF_SIZE }]);
    await expectStored(store, blob);
  });

  it('refetches only a bad chunk, and from the other source', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const bad = flip(blob.bytes, 3 * LEAF_SIZE + 7);
    await using liar = await serve([blob], (res, range) => {
      answer(res, range, bad);
      return true;
    });
    await using honest = await serve([blob]);
    // The first one is asked for the leaves, the next in turn for the bytes.
    const sources = [httpSource(honest.url), httpSource(liar.url)];
    await fetchBlob(blob, { store, sources, concurrency: 1 });
    await expectStored(store, blob);
    expect(liar.ranges).toMatchObject([{ start: 0, end: blob.byteLength }]);
    expect(honest.ranges).toMatchObject([{ start: 3 * LEAF_SIZE, end: 4 * LEAF_SIZE }]);
  });

  it('gives up on a source that never has the right chunk, naming it', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const bad = flip(blob.bytes, 3 * LEAF_SIZE + 7);
    await using liar = await serve([blob], (res, range) => {
      answer(res, range, bad);
      return true;
    });
    const failed = fetchBlob(blob, { store, sources: [httpSource(liar.url)] });
    await expect(failed).rejects.toMatchObject({
      code: 'CHUNK_CORRUPT',
      details: { root: blob.hex, chunk: 3, sources: [{ source: liar.url, code: 'CHUNK_CORRUPT' }] },
    });
    expect(await store.has(blob.root)).toBe(false);
  });

  it('believes no leaf list that does not add up', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const leavesOf = [
      (b: TestBlob) => flip(b.leaves, 64),
      (b: TestBlob) => Buffer.concat([b.leaves, b.leaves]),
      (b: TestBlob) => b.leaves.subarray(32),
    ];
    const refused = async (lie: (b: TestBlob) => Uint8Array) => {
      await using liar = await serve([blob], undefined, lie);
      await using own = await tempDir();
      const empty = await BlobStore.open(own.path);
      const failed = fetchBlob(blob, { store: empty, sources: [httpSource(liar.url)] });
      await expect(failed).rejects.toMatchObject({ code: 'SOURCES_EXHAUSTED' });
      expect(liar.ranges).toEqual([]);
    };
    await Promise.all(leavesOf.map(refused));
    await using liar = await serve([blob], undefined, leavesOf[0]);
    await using honest = await serve([blob]);
    await fetchBlob(blob, { store, sources: [httpSource(liar.url), httpSource(honest.url)] });
    await expectStored(store, blob);
  });

  it('refuses wrong ranges and wrong lengths', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const one = describeBlob(pattern(2 * LEAF_SIZE, 3));
    await using server = await serve([one], (res, range, { bytes }) => {
      if (range.nth === 0) answer(res, { ...range, end: range.end - 10 }, bytes);
      else if (range.nth === 1) answer(res, { ...range, start: 5 }, bytes);
      else if (range.nth === 2) res.writeHead(500).end();
      // Everything, whatever was asked: fine only for a range from the start.
      else res.writeHead(200).end(Buffer.concat([bytes, bytes]));
      return true;
    });
    const sources = [httpSource(server.url)];
    await expect(fetchBlob(one, { store, sources, concurrency: 1 })).rejects.toMatchObject({
      code: 'SOURCES_EXHAUSTED',
    });
    await using fresh = await tempDir();
    const other = await BlobStore.open(fresh.path);
    await fetchBlob(one, { store: other, sources, concurrency: 1 });
    await expectStored(other, one);
  });

  it('follows no redirect', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const one = describeBlob(pattern(LEAF_SIZE, 4));
    await using elsewhere = await serve([one]);
    await using liar = await serve([one], (res) => {
      res.writeHead(302, { location: `${elsewhere.url}/blobs/${one.hex}` }).end();
      return true;
    });
    const failed = fetchBlob(one, { store, sources: [httpSource(liar.url)] });
    await expect(failed).rejects.toMatchObject({ code: 'SOURCES_EXHAUSTED' });
    expect(elsewhere.ranges).toEqual([]);
  });

  it('leaves a stalled and a dripping connection', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    const one = describeBlob(pattern(LEAF_SIZE, 4));
    const timers = new Set<NodeJS.Timeout>();
    await using server = await serve([one], (res, range, { bytes }) => {
      if (range.nth > 1) return false;
      res.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      res.write(bytes.subarray(0, 1));
      if (range.nth === 1) {
        let at = 1;
        timers.add(setInterval(() => res.write(bytes.subarray(at, ++at)), 20));
      }
      return true;
    });
    const started = performance.now();
    await fetchBlob(one, { store, sources: [httpSource(server.url, { stallMs: 300 })] });
    for (const timer of timers) clearInterval(timer);
    await expectStored(store, one);
    expect(server.ranges).toHaveLength(3);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('says what is missing where', async () => {
    await using dir = await tempDir();
    const store = await BlobStore.open(dir.path);
    await expect(fetchBlob(blob, { store, sources: [] })).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      details: { root: blob.hex },
    });
    await using empty = await serve([]);
    await expect(
      fetchBlob(blob, { store, sources: [httpSource(empty.url)] }),
    ).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      details: { sources: [{ source: empty.url, code: 'BLOB_MISSING' }] },
    });
    await using honest = await serve([blob]);
    const sources = [
      httpSource(empty.url),
      httpSource('http://127.0.0.1:1'),
      httpSource(honest.url),
    ];
    await fetchBlob(blob, { store, sources });
    await expectStored(store, blob);
  });
});
