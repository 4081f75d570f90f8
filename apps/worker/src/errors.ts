import { FINAL_REFUSALS } from '@blyan/protocol/register';

export type WorkerErrorCode =
  /** The main node refuses this worker; `details.refusal` is its code. */
  | 'REFUSED'
  /** The main node serves another network than the pinned one. */
  | 'GENESIS_MISMATCH'
  /** A reply of the main node cannot be read. */
  | 'REPLY_MALFORMED'
  | 'MAIN_UNREACHABLE'
  /** The file with the node's own key cannot be read. */
  | 'NODE_KEY_DAMAGED'
  /** The file that pins the network cannot be read. */
  | 'PIN_DAMAGED';

const FINAL = new Set<string>(FINAL_REFUSALS);
/** What this worker sends is not what the main node reads: it is too old. */
const MALFORMED = 400;

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

  /** What the main node called its refusal; '' when it was none. */
  get refusal(): string {
    return typeof this.details.refusal === 'string' ? this.details.refusal : '';
  }

  /** Whether the same thing can succeed later. */
  get retry(): boolean {
    if (this.code === 'REFUSED') {
      return !FINAL.has(this.refusal) && this.details.status !== MALFORMED;
    }
    return this.code === 'REPLY_MALFORMED' || this.code === 'MAIN_UNREACHABLE';
  }
}
