/**
 * From bytes to a VerifiedTensor, the only thing that a stage accepts. A failure names chain, height,
 * tensor and, when the list of leaf hashes is at hand, the chunk.
 */
import { ChainError, type ChainErrorDetails } from './errors.ts';
import { equalBytes, toHex } from './hex.ts';
import { leafCount, leafHash, rootOfBytes, rootOfLeafList } from './merkle.ts';
import type { TensorDescriptor } from './types.ts';
import { makeVerifiedTensor, VerifiedTensor } from './verified-tensor.ts';
import { VerifiedBlock } from './verify.ts';

export { VerifiedTensor };

/** The entry of a layer block. @throws ChainError TENSOR_UNKNOWN */
export function tensorOf(block: VerifiedBlock<'layer'>, name: string): TensorDescriptor {
  if (!VerifiedBlock.isVerified(block) || !block.isType('layer')) {
    throw new TypeError('expected a verified layer block');
  }
  const descriptor = block.body.tensors.find((tensor) => tensor.name === name);
  if (descriptor) return descriptor;
  throw new ChainError('TENSOR_UNKNOWN', {
    chain: block.chain,
    height: block.height,
    tensor: name,
  });
}

/**
 * Checks a tensor chunk by chunk as it arrives, against a list of leaf hashes, which is itself checked
 * against the root once, before any chunk is.
 */
export class TensorCheck {
  readonly descriptor: TensorDescriptor;
  /** Number of chunks. */
  readonly chunks: number;
  readonly #block: VerifiedBlock<'layer'>;
  readonly #leaves: Uint8Array;
  readonly #where: ChainErrorDetails;
  #listChecked = false;

  /** @param leaves 32 bytes a chunk; @throws ChainError TENSOR_UNKNOWN */
  constructor(block: VerifiedBlock<'layer'>, name: string, leaves: Uint8Array) {
    this.descriptor = tensorOf(block, name);
    this.chunks = leafCount(this.descriptor.byteLength, this.descriptor.leafSize);
    this.#block = block;
    this.#leaves = new Uint8Array(leaves);
    this.#where = { chain: block.chain, height: block.height, tensor: name };
  }

  /** @throws ChainError LEAF_LIST_MISMATCH */
  checkLeafList(): void {
    if (this.#listChecked) return;
    const right =
      this.#leaves.length === 32 * this.chunks &&
      equalBytes(rootOfLeafList(this.#leaves), this.descriptor.root);
    if (!right) {
      const root = toHex(this.descriptor.root);
      throw new ChainError('LEAF_LIST_MISMATCH', { ...this.#where, root });
    }
    this.#listChecked = true;
  }

  /** @throws ChainError LEAF_LIST_MISMATCH, BYTE_LENGTH, LEAF_MISMATCH */
  checkChunk(chunk: number, bytes: Uint8Array): void {
    this.checkLeafList();
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunks) {
      throw new RangeError(`no chunk ${chunk} of ${this.chunks}`);
    }
    const { byteLength, leafSize } = this.descriptor;
    const expected = Math.min(leafSize, byteLength - chunk * leafSize);
    if (bytes.length !== expected) {
      throw new ChainError('BYTE_LENGTH', { ...this.#where, chunk, bytes: bytes.length, expected });
    }
    const leaf = this.#leaves.subarray(32 * chunk, 32 * chunk + 32);
    if (!equalBytes(leafHash(bytes), leaf)) {
      throw new ChainError('LEAF_MISMATCH', { ...this.#where, chunk, leaf: toHex(leaf) });
    }
  }

  /**
   * Hashes the whole buffer, whatever chunks were checked before: those were other bytes.
   * @throws ChainError LEAF_LIST_MISMATCH, BYTE_LENGTH, LEAF_MISMATCH
   */
  finish(bytes: Uint8Array): VerifiedTensor {
    checkBuffer(this.descriptor, bytes, this.#where);
    const { leafSize } = this.descriptor;
    for (let i = 0; i < this.chunks; i++) {
      this.checkChunk(i, bytes.subarray(i * leafSize, (i + 1) * leafSize));
    }
    return makeVerifiedTensor(bytes, this.descriptor, this.#block.ref);
  }
}

/**
 * @param input.bytes are not copied: hand on the result, and nothing else that shares the buffer
 * @param input.leaves leaf hashes, 32 bytes a chunk: with them a failure names the chunk
 * @throws ChainError TENSOR_UNKNOWN, BYTE_LENGTH, and with leaves LEAF_LIST_MISMATCH or
 *   LEAF_MISMATCH, without them ROOT_MISMATCH
 */
export function verifyTensor(input: {
  block: VerifiedBlock<'layer'>;
  tensor: string;
  bytes: Uint8Array;
  leaves?: Uint8Array;
}): VerifiedTensor {
  const { block, tensor, bytes, leaves } = input;
  if (leaves) return new TensorCheck(block, tensor, leaves).finish(bytes);
  const descriptor = tensorOf(block, tensor);
  const where = { chain: block.chain, height: block.height, tensor };
  checkBuffer(descriptor, bytes, where);
  if (!equalBytes(rootOfBytes(bytes, descriptor.leafSize), descriptor.root)) {
    throw new ChainError('ROOT_MISMATCH', { ...where, root: toHex(descriptor.root) });
  }
  return makeVerifiedTensor(bytes, descriptor, block.ref);
}

function checkBuffer(descriptor: TensorDescriptor, bytes: Uint8Array, where: ChainErrorDetails) {
  // Shared memory could be changed by another thread between hashing and use.
  if (!(bytes.buffer instanceof ArrayBuffer)) throw new TypeError('expected memory of its own');
  if (bytes.length !== descriptor.byteLength) {
    const details = { ...where, bytes: bytes.length, expected: descriptor.byteLength };
    throw new ChainError('BYTE_LENGTH', details);
  }
}
