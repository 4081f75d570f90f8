/** Joins the network: the key for a connection to this node's own queue and streams. */
import { hostname } from 'node:os';
import { RegisterResponse } from '@blyan/protocol/node';
import { WorkerError } from './errors.ts';
import type { Logger } from './logger.ts';
import { VERSION } from './version.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Bytes of a reply that are read. */
const MAX_REPLY_BYTES = 64 * 1024;

export interface RegisterInput {
  mainUrl: string;
  apiKey: string;
  genesis: string;
  nodeId: string;
}

export interface RegisterDeps {
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Registers, and tries again as long as that can help.
 * @throws WorkerError KEY_REFUSED, GENESIS_MISMATCH, REGISTRATION_REFUSED
 */
export async function register(
  input: RegisterInput,
  { logger, signal }: RegisterDeps,
): Promise<RegisterResponse> {
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    try {
      const reply = await registerOnce(input, signal);
      logger.info({ nodeId: reply.nodeId, main: input.mainUrl }, 'registered with the main node');
      return reply;
    } catch (error) {
      if (!(error instanceof WorkerError) || !error.retry || signal.aborted) throw error;
      const seconds = Math.round(pause / 100) / 10;
      logger.warn({ code: error.code }, `${error.message}; next try in ${seconds} s`);
      await sleep(pause, signal);
      pause = Math.min(2 * pause, MAX_PAUSE_MS);
    }
  }
}

async function registerOnce(input: RegisterInput, signal: AbortSignal): Promise<RegisterResponse> {
  const url = `${input.mainUrl}/gpu/register`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${input.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ nodeId: input.nodeId, version: VERSION, host: hostname() }),
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
      `The main node at ${input.mainUrl} cannot be reached (${reason}); check BLYAN_MAIN_URL`,
      { url },
    );
  }
  if (!response.ok) throw refused(input.mainUrl, response.status, text);
  const reply = RegisterResponse.safeParse(parse(text));
  if (!reply.success) {
    const issue = reply.error.issues[0];
    throw new WorkerError(
      'REGISTRATION_MALFORMED',
      `The main node's reply cannot be read: ${issue?.path.join('.')} ${issue?.message}`,
      { url },
    );
  }
  if (reply.data.genesis !== input.genesis) {
    throw new WorkerError(
      'GENESIS_MISMATCH',
      `The main node at ${input.mainUrl} serves the network ${reply.data.genesis}, but BLYAN_GENESIS pins ${input.genesis}. Use the main node of your network, or its genesis hash.`,
      { pinned: input.genesis, served: reply.data.genesis },
    );
  }
  return reply.data;
}

function refused(mainUrl: string, status: number, text: string): WorkerError {
  const said = (parse(text) as { error?: { message?: unknown } } | undefined)?.error?.message;
  const message = typeof said === 'string' ? said.slice(0, 500) : `status ${status}`;
  if (status === 401 || status === 403) {
    return new WorkerError(
      'KEY_REFUSED',
      `The main node at ${mainUrl} refuses BLYAN_API_KEY: ${message}`,
      { status },
    );
  }
  // Busy or not up yet: worth another try. The rest says that this worker is wrong.
  if (status >= 500 || status === 404 || status === 408 || status === 429) {
    return new WorkerError(
      'MAIN_UNREACHABLE',
      `The main node at ${mainUrl} cannot take this worker now: ${message}`,
      { status },
    );
  }
  return new WorkerError(
    'REGISTRATION_REFUSED',
    `The main node at ${mainUrl} refuses this worker: ${message}`,
    { status },
  );
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

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}
