/**
 * Blobs on disk, addressed by Merkle root. A blob that has a name is whole: it was written to a
 * temporary file, synced and renamed. That says nothing about the disk's honesty later, so readers
 * verify: `read` and `readInto` give raw bytes.
 */
import { createReadStream } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { LEAF_SIZE, leafHash, rootOfLeafList } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';
import { BlobWriter, type WrittenBlob } from './blob-writer.ts';
import { readUpTo, syncParent, writeAll, writeDurably } from './disk.ts';
import { diskError, errnoOf, onDisk, StoreError } from './errors.ts';
import {
  chunkLength,
  HASH_BYTES,
  Layout,
  leafAt,
  leafCount,
  MAX_BLOB_BYTES,
  rootBytes,
  rootHex,
  type StoredBlob,
} from './layout.ts';
import { PartialBlob } from './partial-blob.ts';

export type { BlobWriter, WrittenBlob } from './blob-writer.ts';
export type { StoredBlob } from './layout.ts';
export type { PartialBlob } from './partial-blob.ts';

export class BlobStore {
  readonly #layout: Layout;

  private constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Makes the directories and removes what killed processes left. */
  static async open(dir: string): Promise<BlobStore> {
    return new BlobStore(await onDisk(dir, () => Layout.open(dir)));
  }

  get dir(): string {
    return this.#layout.dir;
  }

  async has(root: Hash | string): Promise<boolean> {
    return (await this.stat(root)) !== null;
  }

  async stat(root: Hash | string): Promise<{ byteLength: number } | null> {
    const path = this.#layout.blob(rootHex(root));
    try {
      const info = await stat(path);
      return info.isFile() ? { byteLength: info.size } : null;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw diskError(error, path);
    }
  }

  /** Where a blob is, or would be: for a thread that reads and verifies by itself. */
  files(root: Hash | string): { blob: string; leaves: string } {
    const hex = rootHex(root);
    return { blob: this.#layout.blob(hex), leaves: this.#layout.leaves(hex) };
  }

  /** All whole blobs; `bytes` with their leaf lists, `usedAt` in Unix ms, as far as the disk notes it. */
  list(): Promise<StoredBlob[]> {
    return onDisk(this.dir, () => this.#layout.list());
  }

  /**
   * Lets no process remove a blob from now on: these are the originals, of a main node, and a worker
   * that shares the directory must not clear it up.
   */
  async protect(): Promise<void> {
    if (await this.isProtected()) return;
    const path = this.#layout.protectedMark;
    const text = 'Blobs of a main node: nothing here is removed to make room.\n';
    await onDisk(path, async () => {
      await writeDurably(this.#layout.temporary(), path, Buffer.from(text));
      await syncParent(path);
    });
  }

  isProtected(): Promise<boolean> {
    const path = this.#layout.protectedMark;
    return onDisk(path, async () => {
      try {
        await stat(path);
        return true;
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      }
    });
  }

  /**
   * Takes a blob away; who reads it at this moment reads it to its end.
   * @throws StoreError STORE_PROTECTED
   */
  async remove(root: Hash | string): Promise<void> {
    const hex = rootHex(root);
    if (await this.isProtected()) {
      const text = `${this.dir} holds the blobs of a main node: ${hex} stays`;
      throw new StoreError('STORE_PROTECTED', text, { root: hex });
    }
    await onDisk(this.dir, async () => {
      await rm(this.#layout.blob(hex), { force: true });
      await rm(this.#layout.leaves(hex), { force: true });
    });
  }

  write(): Promise<BlobWriter> {
    return BlobWriter.create(this.#layout);
  }

  async put(bytes: Uint8Array): Promise<WrittenBlob> {
    await using writer = await this.write();
    await writer.write(bytes);
    return await writer.finish();
  }

  /**
   * Leaf hashes of a blob that is here, n*32 bytes, checked against the root. A list that is gone is
   * made again from the bytes; one that does not add up, whatever the reason, is LEAVES_CORRUPT.
   */
  async leaves(root: Hash | string): Promise<Uint8Array> {
    const hex = rootHex(root);
    const path = this.#layout.leaves(hex);
    const info = await this.stat(hex);
    if (info === null) throw missing(hex);
    let list: Uint8Array;
    try {
      // The size is bounded before the read; a list of another length cannot match the root anyway.
      const { size } = await stat(path);
      if (size > leafCount(MAX_BLOB_BYTES) * HASH_BYTES) throw leavesCorrupt(hex);
      list = await readFile(path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskError(error, path);
      list = await this.#rebuildLeaves(hex, info.byteLength);
    }
    if (!isLeafList(hex, list)) throw leavesCorrupt(hex);
    return list;
  }

  /** Puts a checked list where a lost or damaged one was. */
  async repairLeaves(root: Hash | string, leaves: Uint8Array): Promise<void> {
    const hex = rootHex(root);
    if (!isLeafList(hex, leaves)) throw leavesCorrupt(hex);
    const path = this.#layout.leaves(hex);
    await onDisk(path, async () => {
      await writeDurably(this.#layout.temporary(), path, leaves);
      await syncParent(path);
    });
  }

  /** Raw bytes from `start` (inclusive) to `end` (exclusive), for serving. The reader verifies. */
  read(root: Hash | string, range: { start?: number; end?: number } = {}): Readable {
    const { start = 0, end } = range;
    if (end !== undefined && end <= start) return Readable.from([]);
    const last = end === undefined ? {} : { end: end - 1 };
    return createReadStream(this.#layout.blob(rootHex(root)), {
      start,
      ...last,
      highWaterMark: 256 * 1024,
    });
  }

  /** Fills `buffer` with the raw bytes; LENGTH_MISMATCH unless the blob has exactly its length. */
  async readInto(root: Hash | string, buffer: Uint8Array, signal?: AbortSignal): Promise<void> {
    const hex = rootHex(root);
    const info = await this.stat(hex);
    if (info === null) throw missing(hex);
    if (info.byteLength !== buffer.length) {
      throw new StoreError(
        'LENGTH_MISMATCH',
        `blob ${hex} has ${info.byteLength} bytes instead of ${buffer.length}`,
        { root: hex, expected: buffer.length, actual: info.byteLength },
      );
    }
    await this.#readAt(hex, buffer, 0, signal);
  }

  /**
   * Fills `buffer` as far as the blob goes, whatever its length, and returns how far that was. A part
   * that the disk cannot read stays as it was: the reader's check finds it.
   */
  async readAvailable(
    root: Hash | string,
    buffer: Uint8Array,
    signal?: AbortSignal,
  ): Promise<number> {
    const hex = rootHex(root);
    try {
      return await this.#readAt(hex, buffer, 0, signal);
    } catch (error) {
      if (!isReadFailure(error)) throw error;
    }
    let read = 0;
    for (let start = 0; start < buffer.length; start += LEAF_SIZE) {
      signal?.throwIfAborted();
      read += await this.readChunk(
        hex,
        start / LEAF_SIZE,
        buffer.subarray(start, start + LEAF_SIZE),
      );
    }
    return read;
  }

  /** Raw bytes of one chunk, fewer if the file ends early or the disk cannot read them. */
  async readChunk(root: Hash | string, index: number, target: Uint8Array): Promise<number> {
    try {
      return await this.#readAt(rootHex(root), target, index * LEAF_SIZE);
    } catch (error) {
      // A bad sector is one bad chunk, to be repaired like a flipped bit.
      if (isReadFailure(error)) return 0;
      throw error;
    }
  }

  /** A download that goes on where it stopped. `leaves` is checked against the root here. */
  async resume(
    root: Hash | string,
    byteLength: number,
    leaves: Uint8Array,
    signal?: AbortSignal,
  ): Promise<PartialBlob> {
    const hex = rootHex(root);
    if (!Number.isSafeInteger(byteLength) || byteLength < 0 || byteLength > MAX_BLOB_BYTES) {
      throw new RangeError(`byteLength: expected 0 to ${MAX_BLOB_BYTES}`);
    }
    if (leaves.length !== leafCount(byteLength) * HASH_BYTES || !isLeafList(hex, leaves)) {
      throw leavesCorrupt(hex);
    }
    return await PartialBlob.open(this.#layout, hex, byteLength, leaves, signal);
  }

  /**
   * Replaces one bad chunk by verified bytes, in place. A crash in the middle leaves the chunk as
   * bad as it was, and the next reader repairs it again.
   */
  async repairChunk(root: Hash | string, index: number, bytes: Uint8Array): Promise<void> {
    const hex = rootHex(root);
    const leaves = await this.leaves(hex);
    const count = leaves.length / HASH_BYTES;
    const last = index === count - 1;
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`chunk ${index} is outside of the blob`);
    }
    const rightLength = last ? bytes.length <= LEAF_SIZE : bytes.length === LEAF_SIZE;
    if (!rightLength || Buffer.compare(leafHash(bytes), leafAt(leaves, index)) !== 0) {
      throw new StoreError(
        'CHUNK_CORRUPT',
        `chunk ${index} of blob ${hex} does not match its hash`,
        {
          root: hex,
          chunk: index,
        },
      );
    }
    const path = this.#layout.blob(hex);
    await onDisk(path, async () => {
      const file = await open(path, 'r+');
      try {
        await writeAll(file, bytes, index * LEAF_SIZE);
        // The last chunk fixes the length, so bytes that somebody appended go too.
        if (last) await file.truncate(index * LEAF_SIZE + bytes.length);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  }

  async #readAt(
    hex: string,
    target: Uint8Array,
    position: number,
    signal?: AbortSignal,
  ): Promise<number> {
    const path = this.#layout.blob(hex);
    return onDisk(path, async () => {
      const file = await open(path, 'r');
      try {
        return await readUpTo(file, target, position, signal);
      } finally {
        await file.close();
      }
    });
  }

  async #rebuildLeaves(hex: string, byteLength: number): Promise<Uint8Array> {
    const list = new Uint8Array(leafCount(byteLength) * HASH_BYTES);
    const chunk = Buffer.allocUnsafeSlow(LEAF_SIZE);
    for (let i = 0; i < leafCount(byteLength); i++) {
      const part = chunk.subarray(0, chunkLength(byteLength, i));
      const read = await this.readChunk(hex, i, part);
      list.set(leafHash(part.subarray(0, read)), i * HASH_BYTES);
    }
    if (isLeafList(hex, list)) await this.repairLeaves(hex, list);
    return list;
  }
}

const isReadFailure = (error: unknown) =>
  error instanceof StoreError && error.details.errno === 'EIO';

export function isLeafList(hex: string, list: Uint8Array): boolean {
  if (list.length === 0 || list.length % HASH_BYTES !== 0) return false;
  return Buffer.compare(rootOfLeafList(list), rootBytes(hex)) === 0;
}

const missing = (hex: string) =>
  new StoreError('BLOB_MISSING', `blob ${hex} is not in the store`, { root: hex });
const leavesCorrupt = (hex: string) =>
  new StoreError('LEAVES_CORRUPT', `the leaf hashes of blob ${hex} do not add up to its root`, {
    root: hex,
  });
