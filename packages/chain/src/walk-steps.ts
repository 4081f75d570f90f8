/**
 * The vocabulary of a walk: its steps, in the order from the bytes to the genesis in which a page shows
 * them, the events that a walk yields, and the recorder that times the steps. All events are plain data
 * that `postMessage` can clone.
 */
import { ChainError, type ChainErrorCode, type ChainErrorDetails } from './errors.ts';
import type { ChainId } from './types.ts';

/** What each step says to a reader once it holds. */
export const STEPS = {
  leaf: 'SHA-256 of the bytes of each chunk is the leaf of the tree that was given for it',
  path: 'the leaves, hashed pairwise upwards, lead to the root',
  root: 'the root and the number of bytes are those in the descriptor',
  file: 'the bytes of the file have the root and the SHA-256 that the model block names',
  descriptor: 'the layer block describes the tensor',
  layers: 'the model names its layer blocks in order, and each holds what the model says',
  body: 'SHA-256 of the body bytes is the hash in the header, and the body is well formed',
  header: 'SHA-256 of the header bytes is the hash of the block',
  signature: 'the signature over the hash is one of the named author',
  author: 'the author was an authority at the block of chain A that the block is anchored at',
  inclusion: 'the hash is a leaf of the log that the checkpoint signs',
  checkpoint: 'the checkpoint is signed by a present authority',
  history: 'the log extends the one of the checkpoint that was kept from before',
  linkage: 'the block follows the block below it, and its log is the beginning of the signed one',
  genesis: 'the chain begins with the pinned genesis block',
} as const satisfies Record<string, string>;

export type StepName = keyof typeof STEPS;
export const STEP_NAMES = Object.keys(STEPS) as StepName[];

/** What a step is about: as much as is known. Hashes and roots are hex. */
export interface Subject {
  chain?: ChainId;
  height?: number;
  /** Block hash. */
  hash?: string;
  /** Number of blocks, where a whole chain is meant. */
  size?: number;
  model?: string;
  group?: string;
  tensor?: string;
  file?: string;
  /** Merkle root of a blob. */
  root?: string;
  /** Index of a chunk. */
  chunk?: number;
}

export interface Problem {
  /** SOURCE_FAILED: nothing was shown to be wrong, the source just did not answer. */
  code: ChainErrorCode;
  message: string;
  details: ChainErrorDetails;
}

/** Hex (or a number as text) of what was compared, for those who want to see it. */
export interface Evidence {
  expected?: string;
  actual?: string;
}

export interface Step {
  kind: 'step';
  step: StepName;
  subject: Subject;
  ok: boolean;
  /** Bytes that arrived and were checked in this step. */
  bytes: number;
  /** Milliseconds from the end of the step before, waiting for the source included. */
  ms: number;
  evidence: Evidence;
  /** Null exactly when `ok`. */
  problem: Problem | null;
}

/** Between the steps, at most one a chunk or page. */
export interface Progress {
  kind: 'progress';
  step: StepName;
  subject: Subject;
  unit: 'bytes' | 'blocks';
  done: number;
  total: number;
}

/** The last event of every walk. */
export interface Verdict {
  kind: 'verdict';
  ok: boolean;
  /** The step that failed: nothing behind it was looked at. */
  failed: Step | null;
  steps: number;
  bytes: number;
  ms: number;
  /** Signed checkpoints that were verified, to be kept and given to the next walk as `kept`. */
  checkpoints: Partial<Record<ChainId, Uint8Array>>;
}

export type WalkEvent = Step | Progress | Verdict;

/** Where a failure belongs that is found while a whole chain is followed. */
const STEP_OF: Partial<Record<ChainErrorCode, StepName>> = {
  HASH_MISMATCH: 'header',
  HEADER_INVALID: 'header',
  HEADER_TOO_LARGE: 'header',
  BLOCK_TYPE: 'header',
  BODY_HASH: 'body',
  BODY_LENGTH: 'body',
  BODY_INVALID: 'body',
  BODY_TOO_LARGE: 'body',
  CODEC_INVALID: 'body',
  SIGNATURE_INVALID: 'signature',
  AUTHOR_UNLISTED: 'author',
  ANCHOR_UNKNOWN: 'author',
  ANCHOR_BACKWARDS: 'author',
  AUTHORITY_KNOWN: 'author',
  AUTHORITY_UNKNOWN: 'author',
  AUTHORITY_LAST: 'author',
  GENESIS_MISMATCH: 'genesis',
  GENESIS_MISSING: 'genesis',
};

/** Ends a walk after its failed step was yielded. */
export class WalkStop extends Error {}

/** Runs steps, times them and counts the bytes. */
export class Recorder {
  bytes = 0;
  steps = 0;
  failed: Step | null = null;
  readonly started = performance.now();
  #mark = this.started;
  #counted = 0;

  /** To be called for all bytes that came from the source, where they are checked. */
  count(bytes: Uint8Array): Uint8Array {
    this.bytes += bytes.length;
    return bytes;
  }

  /** One step: yields it, returns what `work` returned. @throws WalkStop behind a failed step */
  async *run<T>(
    step: StepName,
    subject: Subject,
    work: (evidence: Evidence) => T | Promise<T>,
  ): AsyncGenerator<WalkEvent, T> {
    // biome-ignore lint/correctness/useYield: a stream without progress
    return yield* this.stream(step, subject, async function* (evidence) {
      return await work(evidence);
    });
  }

  /**
   * A step that reports progress on its way.
   * @param options.sort name a failure by its code: for work that holds the steps of many blocks
   */
  async *stream<T>(
    step: StepName,
    subject: Subject,
    work: (evidence: Evidence) => AsyncGenerator<Progress, T>,
    options: { sort?: boolean } = {},
  ): AsyncGenerator<WalkEvent, T> {
    const evidence: Evidence = {};
    try {
      const result = yield* work(evidence);
      yield this.#end({ step, subject, evidence, problem: null });
      return result;
    } catch (error) {
      if (!(error instanceof ChainError)) throw error;
      const { code, message, details } = error;
      const name = options.sort ? (STEP_OF[code] ?? step) : step;
      const where = { ...subject, ...subjectOf(details) };
      this.failed = this.#end({
        step: name,
        subject: where,
        evidence,
        problem: { code, message, details: cloneable(details) },
      });
      yield this.failed;
      throw new WalkStop(message, { cause: error });
    }
  }

  #end(step: Pick<Step, 'step' | 'subject' | 'evidence' | 'problem'>): Step {
    const now = performance.now();
    const ms = now - this.#mark;
    const bytes = this.bytes - this.#counted;
    this.#mark = now;
    this.#counted = this.bytes;
    this.steps++;
    return { kind: 'step', ok: step.problem === null, bytes, ms, ...step };
  }
}

function subjectOf(details: ChainErrorDetails): Subject {
  const { chain, height, hash, tensor, file, chunk } = details;
  return {
    ...(chain === 'A' || chain === 'B' || chain === 'L' ? { chain } : {}),
    ...(typeof height === 'number' ? { height } : {}),
    ...(typeof hash === 'string' ? { hash } : {}),
    ...(typeof tensor === 'string' ? { tensor } : {}),
    ...(typeof file === 'string' ? { file } : {}),
    ...(typeof chunk === 'number' ? { chunk } : {}),
  };
}

function cloneable(details: ChainErrorDetails): ChainErrorDetails {
  return JSON.parse(JSON.stringify(details)) as ChainErrorDetails;
}
