/**
 * HTTP as the Hugging Face hub speaks it: metadata under /api, files behind redirects to storage on
 * other hosts. The token goes to the hub's own origin only, never to where it redirects.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelError } from '../errors.ts';

/** The hub redirects once; mirrors once or twice more. */
const MAX_REDIRECTS = 5;
/** Tries without a single new byte between them. */
const MAX_TRIES = 6;
const MAX_BACKOFF_MS = 30_000;
/** A server that asks for a longer pause is reported instead of waited for. */
const MAX_RETRY_AFTER_MS = 120_000;

export interface HubOptions {
  /** e.g. https://huggingface.co, from HF_ENDPOINT. */
  endpoint: string;
  /** From HF_TOKEN. */
  token: string | null;
  /** No byte for this long is a dropped connection. */
  stallMs: number;
  /** First pause between two tries; doubles. */
  backoffMs: number;
}

export class HubClient {
  readonly endpoint: URL;
  readonly #options: HubOptions;

  constructor(options: HubOptions) {
    this.#options = options;
    this.endpoint = parseEndpoint(options.endpoint);
  }

  url(path: string): URL {
    return new URL(`${this.endpoint.pathname.replace(/\/+$/, '')}/${path}`, this.endpoint);
  }

  /**
   * Runs `work` until it succeeds, or fails for good. `progress` tells whether bytes have arrived since
   * the last call; then the tries are counted from the start.
   */
  async retry<T>(
    work: () => Promise<T>,
    options: { signal: AbortSignal | undefined; progress?: () => boolean },
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof ModelError) || !error.retry) throw error;
        if (options.progress?.()) tries = 1;
        const asked = error.details.retryAfterMs;
        const wait = typeof asked === 'number' ? asked : this.#backoff(tries);
        if (tries >= MAX_TRIES || wait > MAX_RETRY_AFTER_MS) throw error;
        await sleep(wait, undefined, { signal: options.signal });
      }
    }
  }

  #backoff(tries: number): number {
    const wait = Math.min(MAX_BACKOFF_MS, this.#options.backoffMs * 2 ** (tries - 1));
    return wait * (0.5 + Math.random() / 2);
  }

  /**
   * GET, redirects followed. The body's chunks are yielded by `read`; both fail with HUB_UNREACHABLE
   * when nothing arrives for `stallMs`.
   */
  async get(
    url: URL,
    options: { headers?: Record<string, string>; signal: AbortSignal | undefined },
  ): Promise<{ response: Response; read: () => AsyncGenerator<Uint8Array>; cancel: () => void }> {
    const stall = new StallTimer(this.#options.stallMs);
    const abort = stall.follow(options.signal);
    try {
      const response = await this.#follow(url, options.headers ?? {}, abort);
      const read = () => readBody(response, url, stall, options.signal);
      return { response, read, cancel: () => stall.cancel() };
    } catch (error) {
      const stalled = stall.fired;
      stall.cancel();
      throw networkError(error, url, stalled, options.signal);
    }
  }

  async #follow(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    let target = url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const own = target.origin === this.endpoint.origin;
      const { token } = this.#options;
      // Encoded bodies would not match the ranges and sizes that the hub publishes.
      const sent = new Headers({ 'accept-encoding': 'identity', ...headers });
      if (own && token !== null) sent.set('authorization', `Bearer ${token}`);
      const response = await fetch(target, {
        headers: sent,
        redirect: 'manual',
        signal,
      });
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      const next = URL.canParse(location, target.href) ? new URL(location, target) : null;
      const downgrade = target.protocol === 'https:' && next?.protocol !== 'https:';
      if (next === null || !/^https?:$/.test(next.protocol) || downgrade) {
        throw new ModelError(
          'HUB_RESPONSE_INVALID',
          { url: target.href.slice(0, 300), location: location.slice(0, 300) },
          `${target.host} redirects to "${location.slice(0, 100)}", which is not followed.`,
        );
      }
      target = next;
    }
    throw new ModelError(
      'HUB_RESPONSE_INVALID',
      { url: url.href },
      `${url.href} redirects without end.`,
    );
  }
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url;
  throw new ModelError(
    'HUB_ENDPOINT_INVALID',
    { endpoint: text.slice(0, 200) },
    `HF_ENDPOINT is "${text.slice(0, 200)}"; expected an address such as https://huggingface.co.`,
  );
}

/** Aborts when it was not touched for a while, or when the caller's signal does. */
class StallTimer {
  readonly #ms: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #unlink = () => {};
  fired = false;

  constructor(ms: number) {
    this.#ms = ms;
    this.touch();
  }

  follow(signal: AbortSignal | undefined): AbortSignal {
    const abort = () => this.#controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#unlink = () => signal?.removeEventListener('abort', abort);
    return this.#controller.signal;
  }

  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.fired = true;
      this.#controller.abort();
    }, this.#ms);
  }

  /** Stops the clock; a body that is not fully read is given up. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#unlink();
    this.#controller.abort();
  }

  done(): void {
    clearTimeout(this.#timer);
    this.#unlink();
  }
}

async function* readBody(
  response: Response,
  url: URL,
  stall: StallTimer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let whole = false;
  try {
    for await (const chunk of response.body ?? []) {
      stall.touch();
      yield chunk;
    }
    whole = true;
  } catch (error) {
    throw networkError(error, url, stall.fired, signal);
  } finally {
    if (whole) stall.done();
    else stall.cancel();
  }
}

function networkError(
  error: unknown,
  url: URL,
  stalled: boolean,
  signal: AbortSignal | undefined,
): unknown {
  if (error instanceof ModelError || signal?.aborted) return error;
  const cause = (error as Error).cause;
  const reason = stalled
    ? 'no data for too long'
    : cause instanceof Error && cause.message !== ''
      ? cause.message
      : (error as Error).message;
  return new ModelError(
    'HUB_UNREACHABLE',
    { host: url.host, reason },
    `${url.host} cannot be reached: ${reason}. Check the connection, or set HF_ENDPOINT to a mirror.`,
    error,
  );
}

/** The error that a status stands for. The body of the answer is given up. */
export async function statusError(
  response: Response,
  context: { id: string; what: string; endpoint: URL; hasToken: boolean },
): Promise<ModelError> {
  await response.body?.cancel().catch(() => undefined);
  const { id, what, endpoint, hasToken } = context;
  const { status } = response;
  const reason = response.headers.get('x-error-code') ?? '';
  const details = { id, what, status, reason };
  // The hub answers 401 for repositories that do not exist, so as not to tell which private ones do.
  if (status === 404 || reason === 'RepoNotFound') {
    const private_ = hasToken ? '' : ' If it is private, set HF_TOKEN.';
    return new ModelError('HUB_NOT_FOUND', details, `${endpoint.host} has no ${what}.${private_}`);
  }
  if (status === 401 || status === 403) {
    const fix = hasToken
      ? `Accept its terms at ${new URL(id, endpoint).href} with the account of HF_TOKEN, or use a token that may read it.`
      : `Accept its terms at ${new URL(id, endpoint).href}, then set HF_TOKEN to a token of that account.`;
    return new ModelError(
      'HUB_UNAUTHORIZED',
      details,
      `${endpoint.host} refuses ${what} (${status}). ${fix}`,
    );
  }
  if (status === 429) {
    const retryAfterMs = retryAfter(response.headers.get('retry-after'));
    const when = retryAfterMs === undefined ? 'later' : `in ${Math.ceil(retryAfterMs / 1000)} s`;
    const message = `${endpoint.host} limits the rate of requests (429). Try again ${when}, or set HF_TOKEN.`;
    return new ModelError('HUB_RATE_LIMITED', { ...details, retryAfterMs }, message);
  }
  const code = status >= 500 || status === 408 ? 'HUB_FAILED' : 'HUB_RESPONSE_INVALID';
  return new ModelError(code, details, `${endpoint.host} answered ${status} to ${what}.`);
}

function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
