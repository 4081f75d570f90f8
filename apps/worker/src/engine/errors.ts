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
  /** The system refuses memory that the budget allows. */
  | 'KV_MEMORY_UNAVAILABLE'
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
  | 'LOGITS_INVALID'
  /** The pipeline that this node is the head of is not connected yet. */
  | 'PIPELINE_CONNECTING'
  /** The layers of this node were planned anew. */
  | 'ASSIGNMENT_CHANGED'
  /** A stage of the pipeline does not answer, or its connection broke. */
  | 'STAGE_LOST'
  /** Frames are missing or out of order, or are for positions that a stage does not have. */
  | 'STAGE_ORDER'
  /** Hidden states of another shape or type than this pipeline's. */
  | 'STAGE_SHAPE'
  | 'STAGE_MEMORY'
  /** A job for a node that is a stage in the middle of a pipeline. */
  | 'NOT_THE_HEAD';

/** Codes with which the same thing can succeed later or on another node. */
const RETRYABLE: ReadonlySet<EngineErrorCode> = new Set([
  'MODEL_MISMATCH',
  'SLOTS_FULL',
  'KV_MEMORY_TOO_SMALL',
  'KV_MEMORY_UNAVAILABLE',
  'ENGINE_LOADING',
  'ENGINE_DRAINING',
  'ENGINE_EXITED',
  'CHAIN_UNAVAILABLE',
  'SESSION_FAILED',
  'PIPELINE_CONNECTING',
  'ASSIGNMENT_CHANGED',
  'STAGE_LOST',
  'STAGE_ORDER',
  'STAGE_SHAPE',
  'STAGE_MEMORY',
  'NOT_THE_HEAD',
]);

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  /** Small and printable. */
  readonly details: Record<string, unknown>;
  readonly retry: boolean;
  /** Node that is to blame, if it is another one. */
  culprit?: string;

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
  culprit?: string;
}

/** Errors of all our packages have code, message and retry; anything else is the runtime's. */
export function failureOf(error: unknown, maxChars: number): Failure {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, maxChars);
  const { code, retry } = (error ?? {}) as { code?: unknown; retry?: unknown };
  const culprit = error instanceof EngineError ? error.culprit : undefined;
  if (typeof code === 'string' && typeof retry === 'boolean') {
    return { code: code.slice(0, 64), message, retry, ...(culprit && { culprit }) };
  }
  return { code: 'SESSION_FAILED', message, retry: true };
}
