/** Failures of the engine. `code` is stable and goes into NodeFailure and NodeFail events. */
export type EngineErrorCode =
  | 'CONTEXT_EXCEEDED'
  | 'MODEL_MISMATCH'
  | 'MODEL_NONE'
  | 'JOB_DUPLICATE'
  | 'SLOTS_FULL'
  | 'ENGINE_DRAINING'
  | 'CHAIN_UNAVAILABLE'
  | 'CHAIN_RESPONSE'
  | 'CHAIN_ROLLBACK'
  | 'ENGINE_EXITED'
  | 'SESSION_FAILED'
  | 'LOGITS_INVALID';

/** What a user of the API sees in the place of our name, where there is a usual one. */
const PUBLIC_CODES: Partial<Record<EngineErrorCode, string>> = {
  CONTEXT_EXCEEDED: 'context_length_exceeded',
};

const RETRY: ReadonlySet<EngineErrorCode> = new Set([
  'JOB_DUPLICATE',
  'SLOTS_FULL',
  'ENGINE_DRAINING',
  'CHAIN_UNAVAILABLE',
  'ENGINE_EXITED',
  'MODEL_MISMATCH',
]);

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  readonly details: Record<string, unknown>;

  constructor(code: EngineErrorCode, details: Record<string, unknown> = {}, message?: string) {
    super(message ?? `${code} ${JSON.stringify(details)}`);
    this.code = code;
    this.details = details;
  }

  /** Whether the same thing can succeed later or elsewhere. */
  get retry(): boolean {
    return RETRY.has(this.code);
  }
  get publicCode(): string {
    return PUBLIC_CODES[this.code] ?? this.code;
  }
}
