/** Server-sent events (WHATWG HTML 9.2): encoding, and a response that lives as long as its source. */
import { KEEP_ALIVE_MS } from '../../lib/keep-alive.ts';

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // `no-transform` and `x-accel-buffering` keep proxies from packing or holding back events.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

export interface SseMessage {
  event?: string;
  id?: string;
  /** One line; JSON never holds a raw line break. */
  data: string;
}

export function encodeSse({ event, id, data }: SseMessage): string {
  return `${event ? `event: ${event}\n` : ''}${id ? `id: ${id}\n` : ''}data: ${data}\n\n`;
}

export const encodeComment = (text: string) => `: ${text.replace(/[\r\n]+/g, ' ')}\n\n`;

/**
 * Streams encoded messages. Pulled, so a slow reader holds back its source instead of filling
 * memory. `onClose` runs once, with whether the source came to its end.
 */
export function sseResponse(
  source: AsyncIterable<string>,
  onClose: (ended: boolean) => void = () => undefined,
): Response {
  const encoder = new TextEncoder();
  const iterator = source[Symbol.asyncIterator]();
  let keepAlive: NodeJS.Timeout | undefined;
  let closed = false;
  const close = (ended: boolean) => {
    if (closed) return;
    closed = true;
    clearInterval(keepAlive);
    onClose(ended);
  };
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      const ping = encoder.encode(encodeComment('keep-alive'));
      keepAlive = setInterval(() => controller.enqueue(ping), KEEP_ALIVE_MS);
    },
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (closed) return;
        if (next.done) {
          close(true);
          controller.close();
        } else {
          controller.enqueue(encoder.encode(next.value));
        }
      } catch (error) {
        if (closed) return;
        close(false);
        controller.error(error);
      }
    },
    async cancel() {
      close(false);
      await iterator.return?.();
    },
  });
  return new Response(stream, { headers: SSE_HEADERS });
}
