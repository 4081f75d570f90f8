export type WorkerErrorCode =
  /** The main node refuses the key. */
  | 'KEY_REFUSED'
  /** The main node serves another network than the pinned one. */
  | 'GENESIS_MISMATCH'
  /** The main node refuses what this worker sent; another version, say. */
  | 'REGISTRATION_REFUSED'
  /** The main node's reply cannot be read. */
  | 'REGISTRATION_MALFORMED'
  | 'MAIN_UNREACHABLE';

const RETRY: ReadonlySet<WorkerErrorCode> = new Set(['REGISTRATION_MALFORMED', 'MAIN_UNREACHABLE']);

/** The one failure of the worker outside of its engine. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  readonly code: WorkerErrorCode;
  readonly details: Record<string, unknown>;

  constructor(code: WorkerErrorCode, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /** Whether the same thing can succeed later. */
  get retry(): boolean {
    return RETRY.has(this.code);
  }
}
