/** Asks the product as a browser would (`POST /chat/stream`), and times what arrives. */

export interface Streamed {
  /** Until the first token event. */
  firstMs: number;
  /** From the first token event to the last. */
  decodeMs: number;
  /** Tokens behind those of the first event. */
  laterTokens: number;
  promptTokens: number;
  completionTokens: number;
  /** Each token event: by `performance.now()` of this process. */
  marks: { at: number; count: number }[];
}

interface Usage {
  usage: { prompt_tokens: number; completion_tokens: number };
}

/** @throws Error when the answer ends in an error event, or without an end */
export async function streamChat(url: string, prompt: string, tokens: number): Promise<Streamed> {
  const start = performance.now();
  const response = await fetch(`${url}/chat/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt, max_tokens: tokens, temperature: 0 }),
    signal: AbortSignal.timeout(600_000),
  });
  if (!response.ok || !response.body) {
    throw new Error(`POST /chat/stream: ${response.status} ${await response.text()}`);
  }
  let first = 0;
  let last = 0;
  let firstCount = 0;
  let count = 0;
  const marks: Streamed['marks'] = [];
  for await (const { event, data } of events(response.body)) {
    if (event === 'error') throw new Error(`the answer failed: ${data}`);
    if (event === 'token') {
      last = performance.now();
      const event = JSON.parse(data) as { count: number };
      marks.push({ at: last, count: event.count });
      count += event.count;
      if (first === 0) {
        first = last;
        firstCount = count;
      }
    }
    if (event === 'done') {
      const { usage } = JSON.parse(data) as Usage;
      return {
        firstMs: first - start,
        decodeMs: last - first,
        laterTokens: count - firstCount,
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens,
        marks,
      };
    }
  }
  throw new Error('the stream ended without an end event');
}

async function* events(body: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const bytes of body) {
    buffer += decoder.decode(bytes, { stream: true });
    let end = buffer.indexOf('\n\n');
    while (end >= 0) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const event = /^event: ?(.*)$/m.exec(block)?.[1];
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (event && data) yield { event, data };
      end = buffer.indexOf('\n\n');
    }
  }
}
