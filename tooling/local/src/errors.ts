export type LocalErrorCode =
  | 'NODE_TOO_OLD'
  | 'ENV_INVALID'
  | 'ALREADY_RUNNING'
  | 'PORT_IN_USE'
  | 'DISK_FULL'
  | 'DATA_DIR'
  | 'POSTGRES_FAILED'
  | 'POSTGRES_UNAVAILABLE'
  | 'POSTGRES_VERSION'
  | 'REDIS_FAILED'
  | 'REDIS_MISSING'
  | 'REDIS_UNAVAILABLE'
  | 'REDIS_VERSION'
  | 'CHROMIUM_MISSING'
  | 'PYTHON_MISSING'
  | 'BUILD_FAILED'
  | 'COMMAND_FAILED'
  | 'PART_FAILED'
  | 'NOT_READY';

/** Something that keeps the product from starting. The message is one sentence and holds the fix. */
export class LocalError extends Error {
  override readonly name = 'LocalError';
  readonly code: LocalErrorCode;
  readonly details: Record<string, unknown>;

  constructor(code: LocalErrorCode, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
