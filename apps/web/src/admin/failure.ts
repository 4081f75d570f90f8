import { TRPCClientError } from '@trpc/client';
import type { AppRouter } from '@/server/trpc/root';

export interface Failure {
  /** Code of the HTTP API; null when there is none. */
  reason: string | null;
  message: string;
}

/** What a call that failed says to the reader. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof TRPCClientError)) return { reason: null, message: String(error) };
  const { data, message } = error as TRPCClientError<AppRouter>;
  if (!data) return { reason: null, message: 'The server does not answer. Nothing was changed.' };
  const issue = data.code === 'BAD_REQUEST' ? firstIssue(message) : null;
  return { reason: data.reason, message: issue ?? message };
}

/** Of a value that the server's schema refused: the list of issues as JSON is its message. */
function firstIssue(message: string): string | null {
  try {
    const [issue] = JSON.parse(message) as { message: string; path: string[] }[];
    return issue ? `${issue.path.join('.')}: ${issue.message}` : null;
  } catch {
    return null;
  }
}
