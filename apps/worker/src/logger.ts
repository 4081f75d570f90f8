import type { QueueLogger } from '@blyan/queue/connection';

/** Pino's shape. Ids and numbers only: never a prompt, an answer or a token. */
export interface Logger extends QueueLogger {
  debug(fields: object, message: string): void;
}
