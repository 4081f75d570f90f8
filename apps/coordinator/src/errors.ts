export type CoordinatorErrorCode =
  /** Another coordinator leads: this one's write changed nothing. */
  'DEPOSED';

/** The failure of the running coordinator; its commands have one of their own. */
export class CoordinatorError extends Error {
  readonly code: CoordinatorErrorCode;

  constructor(code: CoordinatorErrorCode, message: string) {
    super(message);
    this.name = 'CoordinatorError';
    this.code = code;
  }
}

/** Whether a write was refused because somebody else leads: then no further try helps. */
export const isDeposed = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === 'DEPOSED';
