/** Failures of the engine. `code` is stable and goes into NodeFailure and NodeFail events. */
export type EngineErrorCode =
  /** Prompt and answer together are longer than the model's context. */
  | 'context_length_exceeded'
  | 'DEADLINE_PASSED'
  /** A later attempt at the same answer runs already. */
  | 'ATTEMPT_SUPERSEDED'
  | 'MODEL_NONE'
  | 'MODEL_RETIRED'
  /** The job is for another model than the one loaded. */
  | 'MODEL_MISMATCH'
  | 'SLOTS_FULL'
  /** More than all KV memory of this worker. */
  | 'KV_MEMORY_TOO_SMALL'
  /** The layers do not fit into the disk space that the operator gives. */
  | 'DISK_CAP'
  | 'ENGINE_LOADING'
  | 'ENGINE_DRAINING'
  | 'ENGINE_EXITED'
  | 'CHAIN_UNAVAILABLE'
  | 'CHAIN_RESPONSE'
  | 'CHECKPOINT_DAMAGED'
  /** The runtime failed in the middle of a run. */
  | 'SESSION_FAILED'
  | 'LOGITS_INVALID';

/** Codes with which the same thing can succeed later or on another node. */
const RETRYABLE: ReadonlySet<EngineErrorCode> = new Set([
  'MODEL_MISMATCH',
  'SLOTS_FULL',
  'KV_MEMORY_TOO_SMALL',
  'ENGINE_LOADING',
  'ENGINE_DRAINING',
  'ENGINE_EXITED',
  'CHAIN_UNAVAILABLE',
  'SESSION_FAILED',
]);

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  /** Small and printable. */
  readonly details: Record<string, unknown>;
  readonly retry: boolean;

  constructor(
    code: EngineErrorCode,
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

export interface Failure {
  code: string;
  message: string;
  retry: boolean;
}

/** Errors of all our packages have code, message and retry; anything else is the runtime's. */
export function failureOf(error: unknown, maxChars: number): Failure {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, maxChars);
  const { code, retry } = (error ?? {}) as { code?: unknown; retry?: unknown };
  if (typeof code === 'string' && typeof retry === 'boolean') {
    return { code: code.slice(0, 64), message, retry };
  }
  return { code: 'SESSION_FAILED', message, retry: true };
}
