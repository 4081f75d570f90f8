/** Errors that end an answer, as the coordinator writes them, for HTTP. */
import { ApiError } from '../http/errors.ts';

/** 400: asking again in the same way fails again. Everything else may work later. */
const CLIENT_CODES = new Set(['context_length_exceeded', 'prompt_too_long', 'invalid_request']);
const LATE_CODES = new Set(['deadline_exceeded', 'deadline', 'timeout']);

export function answerFailure({ code, message }: { code: string; message: string }): ApiError {
  const lower = code.toLowerCase();
  if (CLIENT_CODES.has(lower)) return new ApiError(400, lower, message);
  if (LATE_CODES.has(lower)) return new ApiError(504, lower, message);
  return new ApiError(503, lower, message, { headers: { 'retry-after': '5' } });
}
