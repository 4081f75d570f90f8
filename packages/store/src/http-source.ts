/** Blobs over HTTP: `GET {base}/blobs/{root}` with ranges and `GET {base}/blobs/{root}/leaves`. */
import { StoreError } from './errors.ts';
import type { BlobSource } from './source.ts';

/** A connection that moves less than MIN_WINDOW_BYTES in this time is given up: stalls and drips alike. */
const STALL_MS = 15_000;
/** About 1 KiB/s: on such a line a model of 8 GB would take a quarter of a year. */
const MIN_WINDOW_BYTES = 16 * 1024;

export interface HttpSourceOptions {
  stallMs?: number;
  headers?: Record<string, string>;
}

export function httpSource(baseUrl: string | URL, options: HttpSourceOptions = {}): BlobSource {
  const base = String(baseUrl).replace(/\/+$/, '');
  const stallMs = options.stallMs ?? STALL_MS;
  const headers = { 'accept-encoding': 'identity', ...options.headers };

  async function* body(
    url: string,
    extra: Record<string, string>,
    check: (response: Response) => void,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    using watch = watchdog(stallMs, signal);
    try {
      watch.waiting();
      const response = await fetch(url, {
        headers: { ...headers, ...extra },
        // A node names its own address to others: it must not send them on to one of its choice.
        redirect: 'error',
        signal: watch.signal,
      });
      watch.received(0);
      const refusal = statusError(response, base, url);
      if (refusal) throw refusal;
      check(response);
      if (response.body === null) return;
      const reader = response.body.getReader();
      for (;;) {
        watch.waiting();
        const { done, value } = await reader.read();
        watch.received(value?.byteLength ?? 0);
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw typed(error, watch, signal, base, url);
    }
  }

  return {
    name: base,
    async leaves(root, { maxBytes, signal }) {
      const url = `${base}/blobs/${root}/leaves`;
      const parts: Uint8Array[] = [];
      let length = 0;
      for await (const bytes of body(url, {}, () => undefined, signal)) {
        length += bytes.byteLength;
        if (length > maxBytes) {
          throw new StoreError('SOURCE_FAILED', `${url} sends more than ${maxBytes} bytes`, {
            source: base,
          });
        }
        parts.push(bytes);
      }
      return Buffer.concat(parts);
    },
    async *read(root, { start, end, signal }) {
      const url = `${base}/blobs/${root}`;
      let left = end - start;
      if (left <= 0) return;
      const check = (response: Response) => checkRange(response, start, base, url);
      for await (const bytes of body(url, { range: `bytes=${start}-${end - 1}` }, check, signal)) {
        const part = bytes.byteLength > left ? bytes.subarray(0, left) : bytes;
        left -= part.byteLength;
        yield part;
        if (left === 0) return;
      }
      throw new StoreError('SOURCE_FAILED', `${url} ended ${left} bytes early`, { source: base });
    },
  };
}

function statusError(response: Response, source: string, url: string): StoreError | null {
  if (response.ok) return null;
  const details = { source, status: response.status };
  if (response.status === 404 || response.status === 410) {
    return new StoreError('BLOB_MISSING', `${url} is not there`, details);
  }
  return new StoreError('SOURCE_FAILED', `${url} answered ${response.status}`, details);
}

/** A server may ignore ranges; then only a read from the start is worth its bytes. */
function checkRange(response: Response, start: number, source: string, url: string): void {
  const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  const right = response.status === 206 ? Number(from) === start : start === 0;
  if (!right) {
    throw new StoreError('SOURCE_FAILED', `${url} did not answer the range from byte ${start}`, {
      source,
      status: response.status,
    });
  }
}

function typed(
  error: unknown,
  watch: Watchdog,
  signal: AbortSignal | undefined,
  source: string,
  url: string,
): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof StoreError) return error;
  if (watch.stalled) {
    return new StoreError('SOURCE_STALLED', `${url} stopped sending`, { source }, error);
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreError('SOURCE_FAILED', `${url}: ${reason}`, { source }, error);
}

interface Watchdog extends Disposable {
  readonly signal: AbortSignal;
  readonly stalled: boolean;
  waiting(): void;
  received(bytes: number): void;
}

/**
 * Counts only the time spent waiting for the source, so that a slow disk on our side is not held
 * against it, and refills the allowance only for MIN_WINDOW_BYTES, so that a drip does not pass.
 */
function watchdog(stallMs: number, outer: AbortSignal | undefined): Watchdog {
  const controller = new AbortController();
  const forward = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  let timer: NodeJS.Timeout | undefined;
  let stalled = false;
  let moved = 0;
  let waited = 0;
  let since = 0;
  return {
    signal: controller.signal,
    get stalled() {
      return stalled;
    },
    waiting() {
      since = performance.now();
      timer = setTimeout(
        () => {
          stalled = true;
          controller.abort();
        },
        Math.max(0, stallMs - waited),
      );
    },
    received(bytes) {
      clearTimeout(timer);
      waited += performance.now() - since;
      moved += bytes;
      if (moved >= MIN_WINDOW_BYTES) {
        moved = 0;
        waited = 0;
      }
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', forward);
      // The connection must not go on in the background when the consumer stops early.
      controller.abort();
    },
  };
}
