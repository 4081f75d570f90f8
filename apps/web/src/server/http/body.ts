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
      // A client that reads this may save the rest.
      headers: { connection: 'close' },
    });
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  if (!request.body) return '';
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.byteLength;
    if (size > maxBytes) {
      void dropRest(reader);
      throw tooLarge();
    }
    chunks.push(next.value);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new ApiError(400, 'invalid_json', 'The body is not valid UTF-8.', { cause });
  }
}

/** A reader that stops would hold the client up; how much is read for nothing, the door says (door/unread.ts). */
async function dropRest(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // The client has left, or was cut off.
  }
}
