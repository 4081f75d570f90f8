/** Reads a JSON body, bounded while it arrives: no more than the limit is ever held. */
import { ApiError } from './errors.ts';

export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const text = await readText(request, maxBytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = text === '' ? 'The body is empty; send JSON.' : 'The body is not valid JSON.';
    throw new ApiError(400, 'invalid_json', message, { cause });
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = () =>
    new ApiError(413, 'body_too_large', `The body is larger than ${maxBytes} bytes.`, {
      // The rest of the body is not read, so the next request cannot follow on this connection.
      headers: { connection: 'close' },
    });
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  if (!request.body) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new ApiError(400, 'invalid_json', 'The body is not valid UTF-8.', { cause });
  }
}
