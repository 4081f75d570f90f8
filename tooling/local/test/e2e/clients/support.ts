/** What the suites of the clients share. */

export const MODEL = 'blyan-guide';
/** What comes at once where nothing else is done; the machine may be busy. */
export const PATIENT_MS = 120_000;
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
  /** Waits until the answers that are not among those given, so many, were ended early. */
  untilCancelled(before: string[], count?: number): Promise<void>;
  /** Answers that wait for a worker. */
  queued(): Promise<number>;
  dataDir(): string;
  /** Answers at a time, and how many may wait then. */
  slots: number;
  maxWaiting: number;
}

export const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`expected a refusal, got ${JSON.stringify(value)}`);
    },
    (reason: unknown) => reason,
  );
