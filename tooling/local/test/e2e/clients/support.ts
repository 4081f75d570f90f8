/** What the suites of the clients share. */

export const MODEL = 'blyan-guide';
export const HELLO = { role: 'user' as const, content: 'Hello' };

export interface ClientContext {
  /** With `/v1`, as clients take it. */
  baseUrl(): string;
  /** The same routes under `/api`. */
  apiUrl(): string;
  /** Lets answers take long enough to be interrupted. */
  slow(): Promise<Disposable>;
  /** Ids of all answers so far. */
  answers(): Promise<string[]>;
  /** Waits until every answer that is not among those given was ended early. */
  untilCancelled(before: string[]): Promise<void>;
}

export const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`expected a refusal, got ${JSON.stringify(value)}`);
    },
    (reason: unknown) => reason,
  );
