/** A shard read once, front to back, in batches, hashed on the way. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createSha256, type Hasher, sha256 } from '@blyan/chain/sha256';
import { readInto, type Shard } from '../checkpoint.ts';
import { ModelError } from '../errors.ts';

/** Bytes read at a time: big enough to hide latency, small against any bound on memory. */
export const BATCH_BYTES = 8 * 1024 * 1024;

export class ShardReader implements AsyncDisposable {
  readonly #shard: Shard;
  readonly #file: FileHandle;
  readonly #hash: Hasher = createSha256();
  /** One is read into, one is worked on, one is still being written from. */
  readonly #buffers: [Uint8Array, Uint8Array, Uint8Array];
  #position = 0;

  private constructor(shard: Shard, file: FileHandle, bufferBytes: number) {
    this.#shard = shard;
    this.#file = file;
    const buffer = () => new Uint8Array(bufferBytes);
    this.#buffers = [buffer(), buffer(), buffer()];
  }

  /** Reads and hashes prefix and header. @throws ModelError SOURCE_CHANGED */
  static async open(dir: string, shard: Shard, bufferBytes: number): Promise<ShardReader> {
    const file = await open(join(dir, shard.path), 'r');
    const reader = new ShardReader(shard, file, bufferBytes);
    try {
      const start = new Uint8Array(shard.headerBytes);
      await readInto(file, 0, start);
      if (Buffer.compare(sha256(start), shard.headerHash) !== 0) throw reader.changed();
      reader.#hash.update(start);
      reader.#position = start.byteLength;
      return reader;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * The next `length` bytes of the file in pieces of `step`; each is valid until the next but one is
   * asked for. All of them must be taken.
   */
  async *next(length: number, step: number): AsyncGenerator<Uint8Array> {
    const start = this.#position;
    const fill = (at: number, turn: number): Promise<Uint8Array> => {
      const piece = this.#buffers[turn % 3]!.subarray(0, Math.min(step, length - at));
      const filled = readInto(this.#file, start + at, piece).then(() => piece);
      // Awaited below; an error between now and then must not end the process.
      filled.catch(() => undefined);
      return filled;
    };
    let pending = fill(0, 0);
    for (let at = 0, turn = 0; at < length; at += step, turn++) {
      const piece = await pending;
      if (at + step < length) pending = fill(at + step, turn + 1);
      this.#hash.update(piece);
      yield piece;
    }
    this.#position = start + length;
  }

  /** A part of the file once more, not hashed into the file's sum. */
  async *again(offset: number, length: number, step: number): AsyncGenerator<Uint8Array> {
    for (let at = 0, turn = 0; at < length; at += step, turn++) {
      const piece = this.#buffers[turn % 3]!.subarray(0, Math.min(step, length - at));
      await readInto(this.#file, offset + at, piece);
      yield piece;
    }
  }

  /** SHA-256 of the whole file. @throws ModelError SOURCE_CHANGED when it has grown */
  async finish(): Promise<Uint8Array> {
    const { size } = await this.#file.stat();
    if (size !== this.#position) throw this.changed();
    return this.#hash.digest();
  }

  changed(): ModelError {
    const { path } = this.#shard;
    return new ModelError(
      'SOURCE_CHANGED',
      { path },
      `${path} was changed while it was imported. Run the import again.`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
