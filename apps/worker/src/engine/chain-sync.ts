/**
 * Chains A and B from the main node over HTTP, verified from the pinned genesis. The main node is
 * only a place where blocks lie: whatever it sends is accepted by the verifier or refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBase64 } from '@blyan/chain/base64';
import { checkAuthor, checkHistory, openCheckpoint } from '@blyan/chain/checkpoint';
import { ChainError } from '@blyan/chain/errors';
import { fromHex } from '@blyan/chain/hex';
import { fromWire } from '@blyan/chain/json';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import type { ChainId } from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import { z } from 'zod';
import type { CheckpointMemory } from './checkpoint-memory.ts';
import { EngineError } from './errors.ts';

/** Blocks of one request. Layer blocks have a few KB, the largest body is 1 MiB. */
const PAGE = 50;
/** A page full of the largest blocks, in base64. */
const MAX_PAGE_BYTES = PAGE * MAX_BODY_BYTES * 2;
const TIMEOUT_MS = 30_000;
/** A main node that starts beside us, or restarts, is there within this time. */
const TRIES = 8;
const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 4000;

const Page = z.object({
  blocks: z.array(z.unknown()).max(PAGE),
  size: z.number().int().min(0).optional(),
  next: z.number().int().min(0).nullable(),
});
const CheckpointAnswer = z.object({ bytes: z.string().max(8192) });

export interface SyncDeps {
  /** Of the main node; routes are under it. */
  mainUrl: string;
  checkpoints: CheckpointMemory;
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/**
 * @param genesis pinned hash of chain A's genesis, hex
 * @throws ChainError for anything forged or rolled back; EngineError CHAIN_UNAVAILABLE, CHAIN_RESPONSE
 */
export async function syncChains(genesis: string, deps: SyncDeps): Promise<ChainVerifier> {
  const verifier = new ChainVerifier({ genesis: fromHex(genesis) });
  await syncChain('A', verifier, deps);
  await syncChain('B', verifier, deps);
  for (const chain of ['A', 'B'] as const) await checkCheckpoint(chain, verifier, deps);
  return verifier;
}

async function syncChain(chain: ChainId, verifier: ChainVerifier, deps: SyncDeps): Promise<void> {
  for (;;) {
    const from = verifier.size(chain);
    const url = `chain/${chain}/blocks?from=${from}&limit=${PAGE}&bodies=1`;
    const { blocks, next, size } = parse(Page, await getJson(url, deps), url);
    for (const json of blocks) {
      const { sealed } = fromWire(json);
      try {
        verifier.accept(sealed);
      } catch (error) {
        // The author saw a block of chain A that was written after our sync of it.
        if (chain === 'A' || !(error instanceof ChainError) || error.code !== 'ANCHOR_UNKNOWN') {
          throw error;
        }
        await syncChain('A', verifier, deps);
        verifier.accept(sealed);
      }
    }
    const done = verifier.size('A') + verifier.size('B');
    deps.onProgress(done, done + Math.max(0, (size ?? 0) - verifier.size(chain)));
    if (next === null) return;
    if (verifier.size(chain) === from) {
      throw new EngineError('CHAIN_RESPONSE', { url, reason: 'no new blocks, but a next page' });
    }
  }
}

async function checkCheckpoint(
  chain: ChainId,
  verifier: ChainVerifier,
  deps: SyncDeps,
): Promise<void> {
  await deps.checkpoints.check(chain, verifier);
  const url = `chain/${chain}/checkpoint`;
  const answer = parse(CheckpointAnswer, await getJson(url, deps), url);
  const fresh = openCheckpoint(fromBase64(answer.bytes));
  if (fresh.checkpoint.chain !== chain) {
    throw new EngineError('CHAIN_RESPONSE', { url, reason: 'checkpoint of another chain' });
  }
  // Blocks may have been added since the sync.
  if (fresh.checkpoint.size > verifier.size(chain)) await syncChain(chain, verifier, deps);
  checkAuthor(fresh, verifier);
  checkHistory(fresh, verifier);
  await deps.checkpoints.keep(fresh, verifier);
}

function parse<T>(schema: z.ZodType<T>, value: unknown, url: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new EngineError('CHAIN_RESPONSE', { url, reason: result.error.issues[0]?.message });
}

/** Tries again while the main node cannot be reached or says that it is not ready (5xx). */
async function getJson(path: string, { mainUrl, signal }: SyncDeps): Promise<unknown> {
  const url = `${mainUrl.replace(/\/+$/, '')}/${path}`;
  for (let attempt = 0; ; attempt++) {
    try {
      return await getOnce(url, signal);
    } catch (error) {
      signal.throwIfAborted();
      const again = error instanceof EngineError && error.code === 'CHAIN_UNAVAILABLE';
      if (!again || attempt + 1 === TRIES) throw error;
    }
    await sleep(Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** attempt), undefined, { signal });
  }
}

async function getOnce(url: string, signal: AbortSignal): Promise<unknown> {
  let text: string;
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { signal: AbortSignal.any([signal, timeout]) });
    if (response.status >= 500) throw new Error(`status ${response.status}`);
    if (!response.ok) throw new EngineError('CHAIN_RESPONSE', { url, status: response.status });
    text = await readBounded(response, url);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('CHAIN_UNAVAILABLE', { url, reason }, `${url} cannot be read: ${reason}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new EngineError('CHAIN_RESPONSE', { url, reason: 'not JSON' });
  }
}

async function readBounded(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const bytes of response.body ?? []) {
    length += bytes.byteLength;
    if (length > MAX_PAGE_BYTES) {
      throw new EngineError('CHAIN_RESPONSE', { url, reason: `more than ${MAX_PAGE_BYTES} bytes` });
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
