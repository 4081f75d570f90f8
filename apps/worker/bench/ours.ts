/**
 * The engine as `npm run bench -- engine` drives it: everything that touches sessions and caches, and
 * nothing else, so that a change of the engine's interface is a change of this file.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '@blyan/chain/hex';
import { fromWire } from '@blyan/chain/json';
import { ChainVerifier } from '@blyan/chain/verify';
import { sample } from '@blyan/model/sampler';
import { BlobStore } from '@blyan/store/blob-store';
import { z } from 'zod';
import type { KvCache } from '../src/engine/kv-cache.ts';
import { loadStage, pickModel } from '../src/engine/load-model.ts';
import { prefillChunk } from '../src/engine/prefill-chunks.ts';
import type { StageSession } from '../src/engine/stage-session.ts';

const Chain = z.object({ genesis: z.string(), blocks: z.array(z.unknown()) });
const GREEDY = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, maxTokens: 1 << 20 };

export interface Loaded {
  engine: Ours;
  /** From blocks and blobs on disk to a session. */
  stageSeconds: number;
  weightBytes: number;
}

/**
 * @param dir with `chain.json` and `blobs`, as tooling/bench makes it
 * @param slots sequences that one step can serve
 * @param partBytes of the smallest part that the stage is cut into; by default as a worker has it
 */
export async function load(
  dir: string,
  threads: number,
  slots: number,
  partBytes?: number,
): Promise<Loaded> {
  const { from, deps } = await openNetwork(dir);
  const start = performance.now();
  const options = { slots, threads, ...(partBytes && { partBytes }) };
  const { session, bytes } = await loadStage(from, deps, options);
  const seconds = (performance.now() - start) / 1000;
  return {
    engine: new Ours(session),
    stageSeconds: seconds,
    weightBytes: bytes,
  };
}

/** Chains and blobs of a directory that tooling/bench made, with its one model. */
export async function openNetwork(dir: string) {
  const { genesis, blocks } = Chain.parse(
    JSON.parse(await readFile(join(dir, 'chain.json'), 'utf8')),
  );
  const verifier = new ChainVerifier({ genesis: fromHex(genesis) });
  for (const block of blocks) verifier.accept(fromWire(block).sealed);
  const store = await BlobStore.open(join(dir, 'blobs'));
  return { from: { verifier, model: pickModel(verifier) }, deps: { store, sources: [] } };
}

/** Any number of sequences, each at its own length. */
export class Ours {
  readonly #session: StageSession;
  #caches: KvCache[] = [];
  /** The last token of each sequence, not yet in its cache. */
  #next: number[] = [];

  constructor(session: StageSession) {
    this.#session = session;
  }

  /** Of all sequences, as far as positions are filled. */
  get kvBytes(): number {
    return this.#caches.reduce((sum, c) => sum + (c.bytes * c.length) / Math.max(1, c.capacity), 0);
  }

  /** Drops all sequences and starts one for each prompt; the first token of each answer is sampled. */
  async prefill(prompts: readonly (readonly number[])[]): Promise<void> {
    this.forget();
    this.#caches = prompts.map(() => this.#session.createCache());
    this.#next = [];
    for (const [i, prompt] of prompts.entries()) {
      const cache = this.#caches[i]!;
      let logits: Float32Array | null = null;
      while (cache.length < prompt.length) {
        const chunk = prefillChunk(this.#session.config, cache.length);
        const ids = prompt.slice(cache.length, cache.length + chunk);
        const last = cache.length + ids.length === prompt.length;
        const rows = last ? [ids.length - 1] : [];
        ({ logits } = await this.#session.prefill(cache, { input: { ids }, rows }));
      }
      this.#next.push(sample(logits!, GREEDY, 0));
    }
  }

  /** One token for every sequence; returns them. */
  async step(): Promise<number[]> {
    const { logits } = await this.#session.decode(this.#caches, { ids: this.#next });
    const { vocab } = this.#session.config;
    this.#next = this.#caches.map((_, row) =>
      sample(logits!.subarray(row * vocab, (row + 1) * vocab), GREEDY, 1),
    );
    return [...this.#next];
  }

  /** Back to the end of a prompt, for another round of steps. */
  rewind(length: number): void {
    for (const cache of this.#caches) cache.truncate(length);
  }

  /** Drops all sequences. */
  forget(): void {
    for (const cache of this.#caches.splice(0)) cache.free();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forget();
    await this.#session[Symbol.asyncDispose]();
  }
}
