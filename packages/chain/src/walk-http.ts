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
    const silence = watchSilence();
    let response: Response | undefined;
    try {
      response = await fetcher(root + path, {
        signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
        headers: range ? { range: `bytes=${range.start}-${range.end - 1}` } : {},
      });
      if (response.status === 200 && range && range.start > 0) {
        throw new Error('the node does not know ranges');
      }
      if (response.status !== 200 && response.status !== 206) {
        throw new Error(`status ${response.status}${await sentence(response, silence.over)}`);
      }
      return await read(response, maxBytes, silence.over);
    } finally {
      silence.end();
      // A body that was not read to its end would keep the connection.
      await response?.body?.cancel().catch(() => undefined);
    }
  };
}

/** Its signal aborts when `over` was not called for TIMEOUT_MS, until `end`. */
function watchSilence() {
  const controller = new AbortController();
  const give = () => {
    const reason = `nothing came for ${TIMEOUT_MS / 1000} s`;
    controller.abort(new DOMException(reason, 'TimeoutError'));
  };
  let timer = setTimeout(give, TIMEOUT_MS);
  const end = () => clearTimeout(timer);
  const over = () => {
    end();
    timer = setTimeout(give, TIMEOUT_MS);
  };
  return { signal: controller.signal, over, end };
}

/** What the node says about a refusal, if it says it in the form of its API. */
async function sentence(response: Response, onChunk: () => void): Promise<string> {
  try {
    const answer = JSON.parse(new TextDecoder().decode(await read(response, 4096, onChunk)));
    return `: ${String(answer.error.message).slice(0, 300)}`;
  } catch {
    return '';
  }
}

async function read(
  response: Response,
  maxBytes: number,
  onChunk: () => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      onChunk();
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
