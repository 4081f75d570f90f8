import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { toHex } from '@blyan/chain/hex';
import { LEAF_SIZE, leafHash, rootOfLeafList } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';
import { syncParent, writeAll, writeDurably } from './disk.ts';
import { onDisk } from './errors.ts';
import { HASH_BYTES, type Layout } from './layout.ts';

export interface WrittenBlob {
  root: Hash;
  byteLength: number;
  /** n*32 bytes. */
  leaves: Uint8Array;
}

/**
 * Writes a blob whose root is not known yet, and hashes it on the way. Bytes are used before
 * `write` resolves, so the caller may reuse its buffer afterwards. `await using` removes the
 * temporary file unless `finish` was reached.
 */
export class BlobWriter {
  readonly #layout: Layout;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #leaves: Uint8Array[] = [];
  #carry: Uint8Array | null = null;
  #carried = 0;
  #length = 0;
  #state: 'open' | 'finished' | 'aborted' = 'open';

  private constructor(layout: Layout, path: string, file: FileHandle) {
    this.#layout = layout;
    this.#path = path;
    this.#file = file;
  }

  static async create(layout: Layout): Promise<BlobWriter> {
    const path = layout.temporary();
    return new BlobWriter(layout, path, await onDisk(path, () => open(path, 'wx')));
  }

  get byteLength(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#mustBeOpen();
    this.#hash(bytes);
    const position = this.#length;
    this.#length += bytes.length;
    await onDisk(this.#path, () => writeAll(this.#file, bytes, position));
  }

  /** Makes the blob durable and visible. A blob that was there already is replaced by the same bytes. */
  async finish(): Promise<WrittenBlob> {
    this.#mustBeOpen();
    if (this.#carried > 0 || this.#leaves.length === 0) {
      this.#leaves.push(leafHash((this.#carry ?? new Uint8Array(0)).subarray(0, this.#carried)));
    }
    const leaves = new Uint8Array(this.#leaves.length * HASH_BYTES);
    this.#leaves.forEach((leaf, i) => {
      leaves.set(leaf, i * HASH_BYTES);
    });
    const root = rootOfLeafList(leaves);
    await onDisk(this.#path, async () => {
      await this.#file.sync();
      await this.#file.close();
      await publish(this.#layout, toHex(root), this.#path, leaves);
    });
    this.#state = 'finished';
    return { root, byteLength: this.#length, leaves };
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    await this.#file.close().catch(() => undefined);
    await rm(this.#path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #mustBeOpen(): void {
    if (this.#state !== 'open') throw new TypeError(`this blob writer is ${this.#state}`);
  }

  #hash(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      // Whole leaves are hashed where they lie; only the ends of a write are copied.
      if (this.#carried === 0 && bytes.length - at >= LEAF_SIZE) {
        this.#leaves.push(leafHash(bytes.subarray(at, at + LEAF_SIZE)));
        at += LEAF_SIZE;
        continue;
      }
      this.#carry ??= new Uint8Array(LEAF_SIZE);
      const take = Math.min(LEAF_SIZE - this.#carried, bytes.length - at);
      this.#carry.set(bytes.subarray(at, at + take), this.#carried);
      this.#carried += take;
      at += take;
      if (this.#carried === LEAF_SIZE) {
        this.#leaves.push(leafHash(this.#carry));
        this.#carried = 0;
      }
    }
  }
}

/** Moves a whole, synced file to its name. The leaves go first: a blob that is seen has them. */
export async function publish(
  layout: Layout,
  hex: string,
  from: string,
  leaves: Uint8Array,
): Promise<void> {
  const target = layout.blob(hex);
  await mkdir(layout.folder(hex), { recursive: true });
  await writeDurably(layout.temporary(), layout.leaves(hex), leaves);
  await rename(from, target);
  await syncParent(target);
  await syncParent(layout.folder(hex));
}
