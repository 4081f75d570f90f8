/** The one place where failures become HTTP: `{"error":{"message","type","code","param"}}`. */
import type { ChainError } from '@blyan/chain/errors';
import type { DbError } from '@blyan/db/errors';
import type { ModelError } from '@blyan/model/errors';
import type { ApiErrorBody, ErrorType } from '@blyan/protocol/api';
import { firstProblem } from '@blyan/protocol/issues';
import { isUnreachable } from '@blyan/queue/connection';
import type { QueueError } from '@blyan/queue/errors';
import type { StoreError } from '@blyan/store/errors';
import type { ZodError } from 'zod';

const STATUS_TYPES: Record<number, ErrorType> = {
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'service_unavailable',
  504: 'service_unavailable',
};

/** Failures of what an admin does, by code; all others of the database are ours. */
const DB_STATUS: Partial<Record<DbError['code'], number>> = {
  KEY_INVALID: 400,
  KEY_NAME_WRONG: 400,
  INVITE_INVALID: 400,
  KEY_UNKNOWN: 404,
  NODE_UNKNOWN: 404,
  KEY_NAME_TAKEN: 409,
  KEY_REVOKED: 409,
  KEY_BUILT_IN: 409,
  ADMIN_EXISTS: 409,
};

interface Extras {
  param?: string | null;
  headers?: Record<string, string>;
  cause?: unknown;
}

/** The failure vocabulary of the web app. `message` is shown to the client as it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, extras: Extras = {}) {
    super(message, { cause: extras.cause });
    this.status = status;
    this.code = code;
    this.param = extras.param ?? null;
    this.headers = extras.headers ?? {};
  }

  get body(): ApiErrorBody {
    const type = STATUS_TYPES[this.status] ?? 'invalid_request_error';
    return { error: { message: this.message, type, code: this.code, param: this.param } };
  }

  toResponse(): Response {
    return Response.json(this.body, {
      status: this.status,
      headers: { 'cache-control': 'no-store', ...this.headers },
    });
  }
}

/** Seconds after which a client may try again when a part of the system is missing. */
const RETRY_AFTER = { 'retry-after': '5' };

export function unavailable(code: string, message: string): ApiError {
  return new ApiError(503, code, message, { headers: RETRY_AFTER });
}

export const shuttingDown = (): ApiError =>
  unavailable('shutting_down', 'The server is restarting; ask again.');

export function notFound(code: string, message: string, param?: string): ApiError {
  return new ApiError(404, code, message, { param: param ?? null });
}

/**
 * By name, not by class: Next.js bundles a package several times over, so that an error of the shared
 * context is no instance of the class that a route knows.
 */
export const isNamed = <N extends keyof Named>(error: unknown, name: N): error is Named[N] =>
  error instanceof Error && error.name === name;

interface Named {
  ApiError: ApiError;
  ChainError: ChainError;
  DbError: DbError;
  ModelError: ModelError;
  QueueError: QueueError;
  StoreError: StoreError;
  ZodError: ZodError;
}

const isPrisma = (error: unknown): error is Error & { code?: string } =>
  error instanceof Error && error.constructor.name.startsWith('PrismaClient');

/** Codes of Prisma and node-postgres that mean that the database cannot be reached. */
const NO_DATABASE = /^(P1\d{3}|P2024|ECONN\w+|ENOTFOUND|ENOENT|57P0\d)$/;
/** What Prisma says where it has no such code. */
const NO_ANSWER = /reach database|ECONNREFUSED|terminat|statement timeout/i;
/** Failures of node-postgres that have neither class nor code, and that Prisma passes on as they are. */
const NO_CONNECTION =
  /^(Query read timeout|timeout exceeded when trying to connect|Connection terminated)/;

function isDatabaseAway(error: unknown): boolean {
  if (isNamed(error, 'DbError')) return error.retry;
  if (!isPrisma(error)) return error instanceof Error && NO_CONNECTION.test(error.message);
  const code = error.code ?? (error.constructor.name.includes('Initialization') ? 'P1001' : '');
  return NO_DATABASE.test(code) || NO_ANSWER.test(error.message);
}

export function toApiError(error: unknown): ApiError {
  if (isNamed(error, 'ApiError')) return error;
  if (isNamed(error, 'ZodError')) {
    const { param, code, message } = firstProblem(error);
    return new ApiError(400, code, message, { param });
  }
  if ((isNamed(error, 'QueueError') && error.retry) || isUnreachable(error))
    return unavailable('redis_unavailable', 'The queue cannot be reached right now.');
  if (isDatabaseAway(error))
    return unavailable('database_unavailable', 'The database cannot be reached right now.');
  const status = isNamed(error, 'DbError') ? DB_STATUS[error.code] : undefined;
  if (isNamed(error, 'DbError') && status)
    return new ApiError(status, error.code.toLowerCase(), error.message);
  if (isNamed(error, 'DbError') || isNamed(error, 'ModelError'))
    return unavailable(error.code.toLowerCase(), error.message);
  if (isNamed(error, 'StoreError') || isNamed(error, 'ChainError')) {
    const code = error.code.toLowerCase();
    return isNamed(error, 'StoreError') && error.code === 'BLOB_MISSING'
      ? notFound(code, error.message)
      : unavailable(code, error.message);
  }
  return new ApiError(500, 'internal_error', 'Something failed on the server; it was logged.', {
    cause: error,
  });
}
