import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { LEAF_SIZE, leafHash } from '@blyan/chain/merkle';
import { publish } from './blob-writer.ts';
import { readUpTo, writeAll } from './disk.ts';
import { errnoOf, onDisk, StoreError } from './errors.ts';
import { chunkLength, type Layout, leafAt, leafCount } from './layout.ts';

/** Whether `bytes` are chunk `index` of a blob of `byteLength` bytes with these leaves. */
export function isChunk(
  leaves: Uint8Array,
  byteLength: number,
  index: number,
  bytes: Uint8Array,
): boolean {
  if (bytes.length !== chunkLength(byteLength, index)) return false;
  return Buffer.compare(leafHash(bytes), leafAt(leaves, index)) === 0;
}

/**
 * A blob that arrives chunk by chunk, in any order. There is no record of what has arrived: `open`
 * hashes what the partial file holds (about 1 GB/s, far faster than any download), so nothing that a
 * crash, a torn write or somebody's edit left behind is ever trusted.
 */
export class PartialBlob {
  readonly #layout: Layout;
  readonly #hex: string;
  readonly #byteLength: number;
  readonly #leaves: Uint8Array;
  readonly #file: FileHandle;
  readonly #missing: Set<number>;
  #open = true;

  private constructor(
    layout: Layout,
    hex: string,
    byteLength: number,
    leaves: Uint8Array,
    file: FileHandle,
    missing: Set<number>,
  ) {
    this.#layout = layout;
    this.#hex = hex;
    this.#byteLength = byteLength;
    this.#leaves = leaves;
    this.#file = file;
    this.#missing = missing;
  }

  /** `leaves` must have been checked against the root. */
  static async open(
    layout: Layout,
    hex: string,
    byteLength: number,
    leaves: Uint8Array,
    signal?: AbortSignal,
  ): Promise<PartialBlob> {
    const path = layout.part(hex);
    return onDisk(path, async () => {
      const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
      try {
        const { size } = await file.stat();
        if (size > byteLength) await file.truncate(byteLength);
        const missing = new Set<number>();
        const chunk = Buffer.allocUnsafeSlow(Math.min(LEAF_SIZE, byteLength));
        for (let i = 0; i < leafCount(byteLength); i++) {
          const length = chunkLength(byteLength, i);
          const there = i * LEAF_SIZE < size || byteLength === 0;
          const read = there
            ? await readUpTo(file, chunk.subarray(0, length), i * LEAF_SIZE, signal)
            : -1;
          if (!isChunk(leaves, byteLength, i, chunk.subarray(0, Math.max(0, read)))) missing.add(i);
        }
        return new PartialBlob(layout, hex, byteLength, leaves, file, missing);
      } catch (error) {
        await file.close();
        throw error;
      }
    });
  }

  /** Indexes of the chunks that are not here yet, ascending. */
  missing(): number[] {
    return [...this.#missing].sort((a, b) => a - b);
  }

  /** Verifies, then writes. CHUNK_CORRUPT leaves the file as it was. */
  async writeChunk(index: number, bytes: Uint8Array): Promise<void> {
    if (!Number.isInteger(index) || index < 0 || index >= leafCount(this.#byteLength)) {
      throw new RangeError(`chunk ${index} is outside of the blob`);
    }
    if (!isChunk(this.#leaves, this.#byteLength, index, bytes)) {
      throw new StoreError(
        'CHUNK_CORRUPT',
        `chunk ${index} of blob ${this.#hex} does not match its hash`,
        {
          root: this.#hex,
          chunk: index,
        },
      );
    }
    await onDisk(this.#layout.part(this.#hex), () =>
      writeAll(this.#file, bytes, index * LEAF_SIZE),
    );
    this.#missing.delete(index);
  }

  /** Makes the blob durable and visible; INCOMPLETE while chunks are missing. */
  async finish(): Promise<void> {
    const [first] = this.missing();
    if (first !== undefined) {
      throw new StoreError('INCOMPLETE', `blob ${this.#hex} lacks ${this.#missing.size} chunks`, {
        root: this.#hex,
        chunk: first,
        missing: this.#missing.size,
      });
    }
    const part = this.#layout.part(this.#hex);
    await onDisk(part, async () => {
      await this.#file.sync();
      await this.close();
      try {
        await publish(this.#layout, this.#hex, part, this.#leaves);
      } catch (error) {
        // Two downloads of one root share the partial file; the other one was first.
        const there = await stat(this.#layout.blob(this.#hex)).catch(() => null);
        if (errnoOf(error) !== 'ENOENT' || there?.size !== this.#byteLength) throw error;
      }
    });
  }

  /** Leaves the partial file for the next `resume`. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
