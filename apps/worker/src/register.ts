/** Joins the network: a challenge, signed, and the key for a lease and a connection of its own. */
import { hostname } from 'node:os';
import {
  ChallengeResponse,
  challengeText,
  type RegisterRequest,
  RegisterResponse,
} from '@blyan/protocol/register';
import { WorkerError } from './errors.ts';
import type { Logger } from './logger.ts';
import { askMain } from './main-client.ts';
import type { NodeKey } from './node-key.ts';
import { VERSION } from './version.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
/** As the protocol allows. */
const HOST_CHARS = 255;

export interface RegisterInput {
  mainUrl: string;
  apiKey: string;
  /** Pinned; null takes the network that answers. */
  genesis: string | null;
  nodeId: string;
  key: NodeKey;
}

export interface RegisterDeps {
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Registers, and tries again as long as that can help.
 * @throws WorkerError REFUSED, GENESIS_MISMATCH; the signal's reason when it aborts
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

/** One try. Throws as `register`, and WorkerError MAIN_UNREACHABLE, REPLY_MALFORMED. */
export async function registerOnce(
  { mainUrl, apiKey, genesis, nodeId, key }: RegisterInput,
  signal: AbortSignal,
): Promise<RegisterResponse> {
  const { publicKey } = key;
  const { challenge } = await askMain(ChallengeResponse, {
    mainUrl,
    path: '/gpu/challenge',
    body: { nodeId, publicKey },
    signal,
  });
  const body: RegisterRequest = {
    nodeId,
    version: VERSION,
    host: hostname().slice(0, HOST_CHARS),
    publicKey,
    challenge,
    signature: key.sign(challengeText(challenge, nodeId)),
  };
  const reply = await askMain(RegisterResponse, {
    mainUrl,
    path: '/gpu/register',
    body,
    bearer: apiKey,
    signal,
  });
  if (genesis !== null && reply.genesis !== genesis) {
    throw new WorkerError(
      'GENESIS_MISMATCH',
      `The main node at ${mainUrl} serves the network ${reply.genesis}, but this worker is pinned to ${genesis}. Use the main node of your network, or its genesis hash.`,
      { pinned: genesis, served: reply.genesis },
    );
  }
  return reply;
}

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
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
