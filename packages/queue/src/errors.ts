export type QueueErrorCode =
  /** An entry of a stream that the coordinator alone writes cannot be read. */
  | 'ENTRY_MALFORMED'
  /** Not an entry id of an answer's stream. */
  | 'ENTRY_ID_INVALID'
  /** A message that would be written breaks its own schema or size bound. */
  | 'MESSAGE_INVALID'
  /** A coordinator wrote that does not lead any more. */
  | 'DEPOSED'
  /** A node made of its own keys what no honest one does: the message completes "worker x ...". */
  | 'KEYS_FORGED'
  /** Redis refused a command on a node's keys, perhaps for what is in them. */
  | 'KEYS_REFUSED'
  /** Redis refused a command, or cannot be reached in the time given. */
  | 'REDIS_FAILED';

/** The one failure of this package. `retry`: the same call can succeed later. */
export class QueueError extends Error {
  readonly code: QueueErrorCode;
  readonly details: Record<string, unknown>;
  readonly retry: boolean;

  constructor(
    code: QueueErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    options: { retry?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'QueueError';
    this.code = code;
    this.details = details;
    this.retry = options.retry ?? false;
  }
}
