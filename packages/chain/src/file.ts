/** A file that is kept on chain (config, tokenizer, template), checked before anybody parses it. */
import { ChainError } from './errors.ts';
import { equalBytes, toHex } from './hex.ts';
import { rootOfBytes } from './merkle.ts';
import { sha256 } from './sha256.ts';
import type { BlockRef, StoredFile } from './types.ts';
import { blockOfFile } from './verify.ts';

/** Held by nothing outside this file, so that a cast does not open the constructor either. */
const MAKER = Symbol();
let make: (bytes: Uint8Array, file: StoredFile, block: BlockRef) => VerifiedFile;

/** The bytes of a file of a verified model block; only `verifyFile` makes one. */
export class VerifiedFile extends Uint8Array<ArrayBuffer> {
  readonly #file: StoredFile;
  readonly #block: BlockRef;

  /** `subarray` and the like give plain bytes: a part is not the verified whole. */
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }

  private constructor(maker: symbol, bytes: Uint8Array, file: StoredFile, block: BlockRef) {
    if (maker !== MAKER) throw new TypeError('VerifiedFile is made by verification only');
    super(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
    this.#block = block;
  }

  static {
    make = (bytes, file, block) => new VerifiedFile(MAKER, bytes, file, block);
  }

  get file(): StoredFile {
    return this.#file;
  }
  get block(): BlockRef {
    return this.#block;
  }
}

/**
 * @param file the very object out of the body of a verified model block; a copy of it proves nothing
 * @param bytes are not copied: hand on the result, and nothing else that shares the buffer
 * @throws ChainError FILE_UNKNOWN, BYTE_LENGTH, ROOT_MISMATCH, FILE_HASH
 */
export function verifyFile(file: StoredFile, bytes: Uint8Array): VerifiedFile {
  const block = blockOfFile(file);
  if (!block) throw new ChainError('FILE_UNKNOWN', { file: file.path });
  const where = { chain: block.chain, height: block.height, file: file.path };
  // Shared memory could be changed by another thread between hashing and use.
  if (!(bytes.buffer instanceof ArrayBuffer)) throw new TypeError('expected memory of its own');
  if (bytes.length !== file.byteLength) {
    const details = { ...where, bytes: bytes.length, expected: file.byteLength };
    throw new ChainError('BYTE_LENGTH', details);
  }
  if (!equalBytes(rootOfBytes(bytes), file.root)) {
    throw new ChainError('ROOT_MISMATCH', { ...where, root: toHex(file.root) });
  }
  if (!equalBytes(sha256(bytes), file.sha256)) {
    throw new ChainError('FILE_HASH', { ...where, sha256: toHex(file.sha256) });
  }
  return make(bytes, file, block);
}
