/**
 * What a walk asks a main node for, and the shapes of the answers. Everything in them is a claim until
 * a step has checked it. `fetchBytes` is injected, so that Node, a page and its web worker walk with the
 * same code.
 */
import { z } from 'zod';
import { fromBase64 } from './base64.ts';
import { decode } from './codec.ts';
import { ChainError } from './errors.ts';
import { fromHex, toHex } from './hex.ts';
import { WireBlock } from './json.ts';
import { MAX_BODY_BYTES, MAX_CHECKPOINT_BYTES, MAX_HEADER_BYTES, MAX_LEAVES } from './limits.ts';
import type { ChainId, Hash, SealedBlock } from './types.ts';

/**
 * Bytes under a path of the main node, e.g. `/chain/A/checkpoint`. Rejects when the node refuses or
 * sends more than `maxBytes`; with `range` (end exclusive) the bytes of that range and no others.
 */
export type FetchBytes = (
  path: string,
  options: {
    maxBytes: number;
    range?: { start: number; end: number } | undefined;
    signal?: AbortSignal | undefined;
  },
) => Promise<Uint8Array>;

/** Blocks of one request when a chain is followed: as many as the API gives with bodies. */
const PAGE = 100;
/** 100 of the largest bodies in base64 would be 140 MB; real ones have a few KiB. */
const MAX_PAGE_BYTES = 150 * 2 ** 20;
/** 31 hashes of hex and the JSON around them have under 4 KiB. */
const MAX_PROOF_BYTES = 16 * 1024;
const MAX_HINT_BYTES = 2 ** 20;
/** Header, body, signature and the map that holds them. */
const MAX_BLOCK_BYTES = MAX_HEADER_BYTES + MAX_BODY_BYTES + 256;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const path = z.array(hash).max(64);
const Page = z.object({ blocks: z.array(WireBlock).max(PAGE) });
const CheckpointAnswer = z.object({ bytes: z.string() });
const ProofAnswer = z.object({ path });
const ChunkAnswer = z.object({ leaf: hash, size: z.number().int().min(1).max(MAX_LEAVES), path });
const TensorAnswer = z.object({
  uses: z.array(z.object({ block: hash })).min(1),
});
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const SealedAnswer = z.strictObject({ header: bytes, body: bytes, signature: bytes });

export interface ChunkProof {
  leaf: Hash;
  /** Number of leaves. */
  size: number;
  path: Hash[];
}

/** @throws ChainError SOURCE_FAILED, ANSWER_INVALID from every method */
export class WalkSource {
  readonly #fetch: FetchBytes;
  readonly #signal: AbortSignal | undefined;
  readonly #count: (bytes: Uint8Array) => Uint8Array;

  constructor(
    fetchBytes: FetchBytes,
    signal: AbortSignal | undefined,
    count: (bytes: Uint8Array) => Uint8Array,
  ) {
    this.#fetch = fetchBytes;
    this.#signal = signal;
    this.#count = count;
  }

  /** Blocks from a height upwards, at most PAGE, as JSON that `fromWire` opens. */
  async page(chain: ChainId, from: number): Promise<WireBlock[]> {
    const at = `/chain/${chain}/blocks?from=${from}&limit=${PAGE}&bodies=1`;
    return (await this.#json(at, MAX_PAGE_BYTES, Page)).blocks;
  }

  /** The latest signed checkpoint: bytes for `openCheckpoint`. */
  async checkpoint(chain: ChainId): Promise<Uint8Array> {
    const at = `/chain/${chain}/checkpoint`;
    const answer = await this.#json(at, 8 * MAX_CHECKPOINT_BYTES, CheckpointAnswer);
    try {
      return fromBase64(answer.bytes);
    } catch {
      throw new ChainError('ANSWER_INVALID', { path: at, reason: 'expected base64' });
    }
  }

  async block(chain: ChainId, blockHash: Hash): Promise<SealedBlock> {
    const at = `/chain/${chain}/block/${toHex(blockHash)}?format=cbor`;
    const answer = this.#count(await this.#get(at, MAX_BLOCK_BYTES));
    return shaped(at, SealedAnswer, () => decode(answer, MAX_BLOCK_BYTES));
  }

  async header(chain: ChainId, blockHash: Hash): Promise<Uint8Array> {
    const at = `/chain/${chain}/block/${toHex(blockHash)}?format=header`;
    return this.#count(await this.#get(at, MAX_HEADER_BYTES));
  }

  async inclusion(chain: ChainId, height: number, size: number): Promise<Hash[]> {
    const at = `/proofs/inclusion?chain=${chain}&height=${height}&size=${size}`;
    return (await this.#json(at, MAX_PROOF_BYTES, ProofAnswer)).path.map(fromHex);
  }

  async consistency(chain: ChainId, from: number, to: number): Promise<Hash[]> {
    const at = `/proofs/consistency?chain=${chain}&from=${from}&to=${to}`;
    return (await this.#json(at, MAX_PROOF_BYTES, ProofAnswer)).path.map(fromHex);
  }

  async chunkProof(root: Hash, index: number): Promise<ChunkProof> {
    const at = `/proofs/chunk?root=${toHex(root)}&index=${index}`;
    const answer = await this.#json(at, MAX_PROOF_BYTES, ChunkAnswer);
    return { leaf: fromHex(answer.leaf), size: answer.size, path: answer.path.map(fromHex) };
  }

  /** The layer block that the source says a tensor is in: a hint, checked by the steps after it. */
  async layerOf(root: Hash): Promise<Hash> {
    const answer = await this.#json(`/tensors/${toHex(root)}`, MAX_HINT_BYTES, TensorAnswer);
    return fromHex(answer.uses[0]!.block);
  }

  /** A blob's leaf list: as many leaves as asked for, or fewer. Not counted: see `blob`. */
  leaves(root: Hash, count: number): Promise<Uint8Array> {
    return this.#get(`/blobs/${toHex(root)}/leaves`, 32 * count);
  }

  /** A part of a blob. Fetched ahead, so counted only by whoever checks it. */
  blob(root: Hash, start: number, end: number): Promise<Uint8Array> {
    return this.#get(`/blobs/${toHex(root)}`, end - start, { start, end });
  }

  async #json<T>(at: string, maxBytes: number, schema: z.ZodType<T>): Promise<T> {
    const answer = this.#count(await this.#get(at, maxBytes));
    return shaped(at, schema, () => JSON.parse(new TextDecoder().decode(answer)));
  }

  async #get(
    at: string,
    maxBytes: number,
    range?: { start: number; end: number },
  ): Promise<Uint8Array> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    try {
      const answer = await this.#fetch(at, { maxBytes, range, signal });
      if (answer.length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
      return answer;
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ChainError('SOURCE_FAILED', { path: at, reason }, { cause });
    }
  }
}

function shaped<T>(at: string, schema: z.ZodType<T>, read: () => unknown): T {
  try {
    return schema.parse(read());
  } catch (cause) {
    throw new ChainError('ANSWER_INVALID', { path: at }, { cause });
  }
}
