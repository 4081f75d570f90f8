/** `FetchBytes` over the platform's `fetch`: bounded while it reads, ranges checked. */
import type { FetchBytes } from './walk-source.ts';

/** A node that sends nothing for this long is not waited for. */
const TIMEOUT_MS = 60_000;

/**
 * @param base URL of a main node, e.g. `https://main.example`; paths are put behind it
 * @param fetcher for tests, and for callers with a fetch of their own
 */
export function httpBytes(base: string | URL, fetcher: typeof fetch = fetch): FetchBytes {
  const root = String(base).replace(/\/+$/, '');
  return async (path, { maxBytes, range, signal }) => {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetcher(root + path, {
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: range ? { range: `bytes=${range.start}-${range.end - 1}` } : {},
    });
    try {
      if (response.status === 200 && range && range.start > 0) {
        throw new Error('the node does not know ranges');
      }
      if (response.status !== 200 && response.status !== 206) {
        throw new Error(`status ${response.status}${await sentence(response)}`);
      }
      return await read(response, maxBytes);
    } finally {
      // A body that was not read to its end would keep the connection.
      await response.body?.cancel().catch(() => undefined);
    }
  };
}

/** What the node says about a refusal, if it says it in the form of its API. */
async function sentence(response: Response): Promise<string> {
  try {
    const answer = JSON.parse(new TextDecoder().decode(await read(response, 4096)));
    return `: ${String(answer.error.message).slice(0, 300)}`;
  } catch {
    return '';
  }
}

async function read(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
      parts.push(value);
    }
  } finally {
    reader.releaseLock();
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
