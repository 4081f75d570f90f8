/** The one failure vocabulary of this package. */

export type ModelErrorCode =
  // config.json and its kin
  | 'CONFIG_INVALID'
  | 'ARCHITECTURE_UNSUPPORTED'
  | 'FEATURE_UNSUPPORTED'
  | 'JSON_INVALID'
  | 'JSON_TOO_DEEP'
  | 'JSON_DUPLICATE_KEY'
  | 'FILE_MISSING'
  | 'FILE_TOO_LARGE'
  // safetensors
  | 'HEADER_TRUNCATED'
  | 'HEADER_TOO_LARGE'
  | 'HEADER_INVALID'
  | 'TENSOR_MALFORMED'
  | 'TENSOR_TOO_MANY'
  | 'TENSOR_EMPTY'
  | 'TENSOR_LENGTH_MISMATCH'
  | 'TENSOR_OVERLAP'
  | 'TENSOR_HOLE'
  | 'TENSOR_OUT_OF_FILE'
  | 'DTYPE_UNKNOWN'
  | 'DTYPE_UNSUPPORTED'
  | 'FILE_TRUNCATED'
  | 'TRAILING_BYTES'
  // the checkpoint as a whole
  | 'CHECKPOINT_INVALID'
  | 'INDEX_INVALID'
  | 'INDEX_MISMATCH'
  | 'TENSOR_MISSING'
  | 'TENSOR_UNEXPECTED'
  | 'TENSOR_SHAPE'
  | 'TIED_HEAD_DIFFERS'
  | 'SOURCE_CHANGED'
  // formats
  | 'FORMAT_UNSUPPORTED'
  | 'VALUE_NOT_FINITE'
  | 'VALUE_OUT_OF_RANGE'
  | 'LENGTH_MISMATCH'
  // tokenizer and template
  | 'TOKENIZER_INVALID'
  | 'TEMPLATE_INVALID'
  // stages
  | 'STAGE_RANGE'
  | 'TOKEN_UNKNOWN'
  // the hub
  | 'HUB_ID_INVALID'
  | 'HUB_ENDPOINT_INVALID'
  | 'HUB_UNAUTHORIZED'
  | 'HUB_NOT_FOUND'
  | 'HUB_RATE_LIMITED'
  | 'HUB_FAILED'
  | 'HUB_UNREACHABLE'
  | 'HUB_RESPONSE_INVALID'
  | 'HUB_HASH_MISMATCH'
  | 'DISK_FULL';

/** Codes with which the same call can succeed later without anybody changing a file. */
const RETRYABLE: ReadonlySet<ModelErrorCode> = new Set([
  'HUB_RATE_LIMITED',
  'HUB_FAILED',
  'HUB_UNREACHABLE',
  'HUB_HASH_MISMATCH',
]);

export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly code: ModelErrorCode;
  /** Small and printable: names, numbers, hashes as hex. */
  readonly details: Record<string, unknown>;
  readonly retry: boolean;

  constructor(
    code: ModelErrorCode,
    details: Record<string, unknown> = {},
    message = `${code} ${JSON.stringify(details)}`,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
    this.retry = RETRYABLE.has(code);
  }
}
