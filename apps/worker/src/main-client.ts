/** Requests to the main node: bounded, and with failures in words that an operator can act on. */
import { z } from 'zod';
import { WorkerError } from './errors.ts';

const REQUEST_TIMEOUT_MS = 10_000;
/** Bytes of a reply that are read. */
const MAX_REPLY_BYTES = 256 * 1024;

const TOO_EARLY_OR_MANY = new Set([425, 429]);
const OWN_LIMITS = new Set(['too_many_attempts', 'key_nodes_exhausted']);

const ErrorBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export interface MainRequest {
  mainUrl: string;
  path: string;
  /** Absent: a GET. */
  body?: object;
  bearer?: string;
  signal: AbortSignal;
}

/**
 * @throws WorkerError MAIN_UNREACHABLE, REFUSED with `details.refusal` (the main node's code) and
 * `details.status`, REPLY_MALFORMED; the signal's reason when it aborts
 */
export async function askMain<T>(schema: z.ZodType<T>, request: MainRequest): Promise<T> {
  const { mainUrl, path, body, bearer, signal } = request;
  const url = `${mainUrl}${path}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: body ? 'POST' : 'GET',
      headers: {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      // A redirect would carry the key to somebody else.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    text = await boundedText(response);
  } catch (error) {
    signal.throwIfAborted();
    const cause = (error as { cause?: { code?: string } }).cause?.code;
    const reason = cause ?? (error as Error).message;
    throw new WorkerError(
      'MAIN_UNREACHABLE',
      `The main node at ${mainUrl} cannot be reached (${reason}); check BLYAN_MAIN_URL`,
      { url },
    );
  }
  if (!response.ok) throw refused(mainUrl, response.status, text);
  const reply = schema.safeParse(parse(text));
  if (reply.success) return reply.data;
  const issue = reply.error.issues[0];
  throw new WorkerError(
    'REPLY_MALFORMED',
    `The main node's reply to ${path} cannot be read: ${issue?.path.join('.')} ${issue?.message}`,
    { url },
  );
}

function refused(mainUrl: string, status: number, text: string): WorkerError {
  const said = ErrorBody.safeParse(parse(text)).data?.error;
  const message = said?.message.slice(0, 500) ?? `status ${status}`;
  // Busy or not up yet. A 404 is that of a web server in front, or of a main node that starts; and what
  // the main node does not say in its own words, a proxy in front said.
  const own = said !== undefined && (!TOO_EARLY_OR_MANY.has(status) || OWN_LIMITS.has(said.code));
  if (status >= 500 || status === 404 || status === 408 || !own) {
    return new WorkerError(
      'MAIN_UNREACHABLE',
      `The main node at ${mainUrl} cannot take this worker now: ${message}`,
      { status },
    );
  }
  return new WorkerError('REFUSED', `The main node at ${mainUrl} refuses this worker: ${message}`, {
    status,
    refusal: said.code,
  });
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_REPLY_BYTES) throw new Error(`a reply of over ${MAX_REPLY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
