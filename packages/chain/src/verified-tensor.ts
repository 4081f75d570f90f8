/**
 * The brand of verified tensors. `exports` of package.json does not name this file: outside of the package
 * nobody can reach what makes one.
 */
import type { BlockRef, TensorDescriptor } from './types.ts';

/** Held by nothing outside this file, so that a cast does not open the constructor either. */
const MAKER = Symbol();
let make: (bytes: Uint8Array, descriptor: TensorDescriptor, block: BlockRef) => VerifiedTensor;

/** The stored bytes of one tensor of a verified layer block; only this package makes one. */
export class VerifiedTensor {
  readonly #bytes: Uint8Array;
  readonly #descriptor: TensorDescriptor;
  readonly #block: BlockRef;

  private constructor(
    maker: symbol,
    bytes: Uint8Array,
    descriptor: TensorDescriptor,
    block: BlockRef,
  ) {
    if (maker !== MAKER) throw new TypeError('VerifiedTensor is made by verification only');
    this.#bytes = bytes;
    this.#descriptor = descriptor;
    this.#block = block;
  }

  static {
    make = (bytes, descriptor, block) => new VerifiedTensor(MAKER, bytes, descriptor, block);
  }

  static isVerified(value: unknown): value is VerifiedTensor {
    return typeof value === 'object' && value !== null && #bytes in value;
  }

  /** The very buffer that was hashed; empty once it was released. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get descriptor(): TensorDescriptor {
    return this.#descriptor;
  }
  /** The layer block. */
  get block(): BlockRef {
    return this.#block;
  }

  /**
   * Gives the memory back at once instead of when it is collected, where the buffer allows it (it is
   * resizable). For who has copied what is needed.
   */
  release(): void {
    const { buffer } = this.#bytes;
    if (buffer instanceof ArrayBuffer && buffer.resizable) buffer.resize(0);
  }
}

/** @param bytes were hashed, and nobody else can write to them */
export const makeVerifiedTensor: typeof make = (bytes, descriptor, block) =>
  make(bytes, descriptor, block);
