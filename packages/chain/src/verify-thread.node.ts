/**
 * Tensors read and hashed by a thread of their own, while the one that wants them does something else:
 * the runtime blocks its thread for as long as it creates a session.
 *
 * A buffer stays verified on its way: it is transferred, so the thread that hashed it cannot reach it any
 * more, and the thread is started and heard by nobody but this file.
 */
import { Worker } from 'node:worker_threads';
import { equalBytes } from './hex.ts';
import { leafCount, rootOfLeafList } from './merkle.ts';
import { tensorOf } from './tensor.ts';
import { makeVerifiedTensor, type VerifiedTensor } from './verified-tensor.ts';
import type { VerifiedBlock } from './verify.ts';

/** Paths of a blob and of its list of leaf hashes, n * 32 bytes. */
export interface BlobFiles {
  blob: string;
  leaves: string;
}

/** What `verify-thread.worker.node.js` made of a request; null: something is not as it should be. */
interface Answer {
  id: number;
  made: { bytes: ArrayBuffer; leaves: Uint8Array } | null;
}

export class VerifyThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (made: Answer['made']) => void>();
  readonly #signal: AbortSignal | undefined;
  readonly #stop = () => void this.#worker.terminate();
  #asked = 0;
  #ended = false;

  /** @param signal ends the thread */
  constructor(signal?: AbortSignal) {
    // Nothing of our own start is wanted there: a loader of TypeScript would take longer than the work.
    this.#worker = new Worker(new URL('./verify-thread.worker.node.js', import.meta.url), {
      execArgv: [],
    });
    this.#worker.on('message', ({ id, made }: Answer) => {
      this.#waiting.get(id)?.(made);
      this.#waiting.delete(id);
    });
    // It could not start, or ran out of memory. Who waits asks another way, which takes longer.
    this.#worker.on('error', (error) => process.emitWarning(error));
    this.#worker.on('exit', () => {
      this.#ended = true;
      for (const give of this.#waiting.values()) give(null);
      this.#waiting.clear();
    });
    this.#signal = signal;
    signal?.addEventListener('abort', this.#stop);
    if (signal?.aborted) this.#stop();
  }

  /**
   * One at a time, in the order in which they are asked for.
   * @returns null when a file is missing, damaged or of another length, when memory is short, and when
   *   the thread has ended: `verifyTensor` says what is wrong
   * @throws ChainError TENSOR_UNKNOWN
   */
  async load(input: {
    block: VerifiedBlock<'layer'>;
    tensor: string;
    files: BlobFiles;
  }): Promise<VerifiedTensor | null> {
    const descriptor = tensorOf(input.block, input.tensor);
    const { byteLength, leafSize, root } = descriptor;
    if (this.#ended) return null;
    const made = await new Promise<Answer['made']>((resolve) => {
      const id = this.#asked++;
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, byteLength, leafSize, ...input.files });
    });
    if (made === null || made.bytes.byteLength !== byteLength) return null;
    if (made.leaves.length !== 32 * leafCount(byteLength, leafSize)) return null;
    if (!equalBytes(rootOfLeafList(made.leaves), root)) return null;
    return makeVerifiedTensor(
      new Uint8Array(made.bytes, 0, byteLength),
      descriptor,
      input.block.ref,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#stop);
    await this.#worker.terminate();
  }
}
