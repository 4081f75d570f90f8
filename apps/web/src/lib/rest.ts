/** Reads of the REST API by pages, with the server's own words on what is wrong. */

class RestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws RestError; TypeError when the server does not answer */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, signal ? { signal } : {});
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer as T;
  const message = (answer as { error?: { message?: string } } | null)?.error?.message;
  throw new RestError(response.status, message ?? `The server answered ${response.status}.`);
}

/** What a hash names never changes: it is asked for once. */
export const FOREVER = { staleTime: Number.POSITIVE_INFINITY, gcTime: 30 * 60_000 } as const;

export const failureText = (error: unknown) =>
  error instanceof RestError ? error.message : 'The server does not answer.';
