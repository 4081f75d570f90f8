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

const codeOf = (error: unknown) => (error as { code?: unknown } | null)?.code;

/** Whether a write was refused because somebody else leads: then no further try helps. */
export const isDeposed = (error: unknown): boolean => codeOf(error) === 'DEPOSED';

/** Whether a node made of its own keys in Redis what no honest one does; the message completes "worker x ...". */
export const isForged = (error: unknown): error is Error => codeOf(error) === 'KEYS_FORGED';

/** Whether what failed had to do with that node's own keys: others may serve. */
export const isOfItsKeys = (error: unknown): error is Error =>
  isForged(error) || codeOf(error) === 'KEYS_REFUSED';
