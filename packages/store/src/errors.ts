/** The one failure vocabulary of this package. */

export type StoreErrorCode =
  /** The blob is not here, and no source has it. */
  | 'BLOB_MISSING'
  /** A stored or received chunk does not hash to its leaf. */
  | 'CHUNK_CORRUPT'
  /** A list of leaf hashes does not add up to its root. */
  | 'LEAVES_CORRUPT'
  /** Bytes are more or fewer than the block says. */
  | 'LENGTH_MISMATCH'
  /** A partial blob was finished while chunks are missing. */
  | 'INCOMPLETE'
  /** A source cannot be reached, ended early or answered nonsense. */
  | 'SOURCE_FAILED'
  /** A source sent nothing, or next to nothing, for too long. */
  | 'SOURCE_STALLED'
  /** Every source was tried and none gave the bytes. */
  | 'SOURCES_EXHAUSTED'
  /** What is here is the original of others: nothing is removed. */
  | 'STORE_PROTECTED'
  /** The bytes do not fit into the memory that a process can get. */
  | 'OUT_OF_MEMORY'
  | 'DISK_FULL'
  | 'DISK_FAILED';

/** Codes with which the same call can succeed later without anybody changing a file. */
const RETRYABLE: ReadonlySet<StoreErrorCode> = new Set([
  'SOURCE_FAILED',
  'SOURCE_STALLED',
  'SOURCES_EXHAUSTED',
]);

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  /** Small and printable: hashes as hex, names, numbers. */
  readonly details: Record<string, unknown>;
  readonly retry: boolean;

  constructor(
    code: StoreErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
    this.retry = RETRYABLE.has(code);
  }
}

export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** Turns a failure of the file system into a StoreError; other errors pass unchanged. */
export function diskError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (error instanceof StoreError || errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) {
    return error;
  }
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new StoreError(
      'DISK_FULL',
      `The disk that holds ${path} is full. Free some space or set BLYAN_BLOB_DIR to another disk.`,
      { path, errno },
      error,
    );
  }
  return new StoreError(
    'DISK_FAILED',
    `${path}: ${(error as Error).message}`,
    { path, errno },
    error,
  );
}

/** Runs file system work with its failures typed. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, path);
  }
}
