/**
 * The failures of this package: one class, one code a failure, a small payload that names chain,
 * height, tensor and chunk where they are known. Wrong arguments of our own callers are TypeError or
 * RangeError instead. Every code has a forgery under `vectors/`.
 */

/** What each code says to a reader, and whether another copy, source or moment can help. */
const CODES = {
  CODEC_INVALID: ['the bytes are not canonical DAG-CBOR', false],
  HEADER_TOO_LARGE: ['the header is larger than any valid one', false],
  HEADER_INVALID: ['the header is malformed', false],
  BLOCK_TYPE: ['this chain does not hold blocks of this type', false],
  BODY_TOO_LARGE: ['the body is larger than any valid one', false],
  BODY_LENGTH: ['the body is not as long as its header says', true],
  BODY_HASH: ['the body does not have the hash that its header names', true],
  BODY_INVALID: ['the body is malformed', false],
  SIGNATURE_INVALID: ['the signature is not one of the named author over these bytes', true],
  HASH_MISMATCH: [
    'the block does not have the hash that it was asked for or announced under',
    true,
  ],
  WIRE_INVALID: ['the JSON of the block is malformed', true],
  GENESIS_MISMATCH: ['the genesis block is not the pinned one', false],
  GENESIS_MISSING: ['the genesis of chain A must be accepted first', true],
  HEIGHT_GAP: ['a block between the head and this one is missing', true],
  PREV_MISMATCH: ['the block does not follow the block below it', false],
  TIME_BACKWARDS: ['the block is older than the block below it', false],
  LOG_MISMATCH: ['the log root is not the one over all earlier blocks', false],
  ANCHOR_UNKNOWN: ['the anchor is not a known block of chain A', true],
  ANCHOR_BACKWARDS: ['the anchor is older than the one of the block below', false],
  ANCHOR_STALE: ['a new block must be anchored at the head of chain A', true],
  AUTHOR_UNLISTED: ['the author was not an authority at the anchor', false],
  AUTHORITY_KNOWN: ['the key to add is an authority already', false],
  AUTHORITY_UNKNOWN: ['the key to remove is not an authority', false],
  AUTHORITY_LAST: ['the last authority cannot be removed', false],
  EQUIVOCATION: ['a second valid block at this height', false],
  BLOCK_UNKNOWN: ['no verified block has this hash', true],
  MODEL_LAYERS: ['the layer blocks do not make up the model', false],
  TENSOR_UNKNOWN: ['the block holds no tensor of this name', false],
  FILE_UNKNOWN: ['the file was not read off a verified block', false],
  BYTE_LENGTH: ['the bytes are not as many as the block says', true],
  LEAF_LIST_MISMATCH: ['the list of leaf hashes does not have the root that the block names', true],
  LEAF_MISMATCH: ['a chunk does not have the hash of its leaf', true],
  ROOT_MISMATCH: ['the bytes do not have the root that the block names', true],
  FILE_HASH: ['the bytes do not have the SHA-256 that the block names', true],
  PROOF_INVALID: ['the path does not lead from the leaf to the root', true],
  SOURCE_FAILED: ['the source does not give what it was asked for', true],
  ANSWER_INVALID: ['the answer of the source is malformed', true],
  CHECKPOINT_INVALID: ['the checkpoint is malformed', false],
  CHECKPOINT_ROLLBACK: ['the chain is shorter than a checkpoint that was seen before', false],
  CHECKPOINT_FORK: ['the chain does not contain the history of a checkpoint seen before', false],
} as const satisfies Record<string, readonly [string, boolean]>;

export type ChainErrorCode = keyof typeof CODES;
export const CHAIN_ERROR_CODES = Object.keys(CODES) as ChainErrorCode[];

/** Hashes are hex here, so that details can be logged and sent as they are. */
export interface ChainErrorDetails {
  chain?: string;
  height?: number;
  tensor?: string;
  file?: string;
  /** Index of a leaf. */
  chunk?: number;
  reason?: string;
  [name: string]: unknown;
}

export class ChainError extends Error {
  override readonly name = 'ChainError';
  readonly code: ChainErrorCode;
  readonly details: ChainErrorDetails;
  /** Whether fetching again, from elsewhere or later, can help. */
  readonly retry: boolean;

  constructor(code: ChainErrorCode, details: ChainErrorDetails = {}, options?: ErrorOptions) {
    const [text, retry] = CODES[code];
    const { reason, ...where } = details;
    const place = Object.entries(where)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
    super(`${text}${reason ? `: ${reason}` : ''}${place ? ` (${place})` : ''}`, options);
    this.code = code;
    this.details = details;
    this.retry = retry;
  }
}

/** Runs `work` and adds where it failed, for steps that know only their own bytes. */
export function locate<T>(where: ChainErrorDetails, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    throw new ChainError(error.code, { ...where, ...error.details }, { cause: error });
  }
}
