/** The one failure vocabulary of this package; refused blocks are ChainErrors of packages/chain. */

export type DbErrorCode =
  /** There is no genesis yet: `initGenesis` has not run on this database. */
  | 'NOT_INITIALIZED'
  /** The stored genesis belongs to another network or another key. */
  | 'GENESIS_CONFLICT'
  /** Rows of the chain tables contradict each other: somebody edited them. */
  | 'STORED_CHAIN_CORRUPT'
  /** Others appended all the time; nothing was written. */
  | 'CONTENDED'
  | 'MIGRATION_FAILED'
  /** A value of a new or changed key breaks a rule. */
  | 'KEY_INVALID'
  | 'KEY_NAME_TAKEN'
  | 'KEY_UNKNOWN'
  /** It is revoked, for good. */
  | 'KEY_REVOKED'
  /** The name that was typed to confirm is another one. */
  | 'KEY_NAME_WRONG'
  /** Not for the key of the main node itself. */
  | 'KEY_BUILT_IN'
  | 'NODE_UNKNOWN'
  | 'DATABASE_UNREACHABLE';

const RETRYABLE: ReadonlySet<DbErrorCode> = new Set(['CONTENDED', 'DATABASE_UNREACHABLE']);

export class DbError extends Error {
  override readonly name = 'DbError';
  readonly code: DbErrorCode;
  readonly details: Record<string, unknown>;
  readonly retry: boolean;

  constructor(
    code: DbErrorCode,
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
