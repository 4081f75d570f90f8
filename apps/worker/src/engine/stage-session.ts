/** One stage as an ONNX Runtime session: positions in, logits or hidden states out, KV written back. */
import type { ModelConfig } from '@blyan/model/config';
import type { StageGraph } from '@blyan/model/stage/graph';
import type { StageSpec } from '@blyan/model/stage/plan';
import { type RopeTables, ropeTables } from '@blyan/model/stage/rope';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { EngineError } from './errors.ts';
import { KvCache } from './kv-cache.ts';

/** Far below any score, and finite: a row of sums with it never becomes NaN. */
const MASKED = -1e30;

export interface StageSessionOptions {
  /** Threads inside one operator. */
  threads: number;
  /** Extra outputs to fetch at each run, e.g. `hidden.3`, for parity tests. */
  fetch?: string[];
}

export interface StageRun {
  /** Token ids where the stage embeds, else hidden states [count, hidden]. */
  input: { ids: readonly number[] } | { hidden: Float32Array };
  /** Offsets inside this run whose logits are wanted; none skips reading them. */
  rows: readonly number[];
}

export interface StageOutput {
  /** [rows.length, vocab] of a stage with a head, null without rows. */
  logits: Float32Array | null;
  /** [count, hidden] of a stage without a head. */
  hidden: Float32Array | null;
  /** The outputs named in `fetch`. */
  extra: Record<string, Float32Array>;
}

export class StageSession {
  readonly config: ModelConfig;
  readonly spec: StageSpec;
  readonly #session: InferenceSession;
  readonly #embedding: StageGraph['embedding'];
  readonly #rope: RopeTables;
  readonly #fetches: string[];
  readonly #extra: string[];
  readonly #kv: StageGraph['kv'];

  private constructor(stage: StageGraph, session: InferenceSession, extra: string[]) {
    this.spec = stage.spec;
    this.config = stage.spec.config;
    this.#session = session;
    this.#embedding = stage.embedding;
    this.#rope = ropeTables(this.config, this.config.context);
    this.#kv = stage.kv;
    this.#extra = extra;
    this.#fetches = [
      stage.spec.head ? 'logits' : 'hidden_out',
      ...stage.kv.flatMap((names) => [names.newKey, names.newValue]),
      ...extra,
    ];
  }

  static async create(stage: StageGraph, options: StageSessionOptions): Promise<StageSession> {
    const session = await InferenceSession.create(stage.model, {
      externalData: stage.externalData,
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // The past is longer at each step: plans by shape would be made once and never used again.
      enableMemPattern: false,
      // An arena keeps the peak of the longest prefill for good, and saved no time here.
      enableCpuMemArena: false,
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    return new StageSession(stage, session, options.fetch ?? []);
  }

  /** An empty cache of the right shape for one sequence. */
  createCache(): KvCache {
    return new KvCache(this.config, this.#kv.length);
  }

  /** Reads the given positions behind the cache's, and adds them to it. */
  async run(cache: KvCache, { input, rows }: StageRun): Promise<StageOutput> {
    const { hidden: width, headDim, heads, kvHeads } = this.config;
    const hidden = 'hidden' in input ? input.hidden : this.#embed(input.ids);
    const count = hidden.length / width;
    const past = cache.length;
    cache.reserve(past + count);
    const half = headDim / 2;
    const turn = (table: Float32Array) =>
      new Tensor('float32', table.subarray(past * half, (past + count) * half), [count, half]);
    const feeds: Record<string, Tensor> = {
      hidden: new Tensor('float32', hidden, [1, count, width]),
      cos: turn(this.#rope.cos),
      sin: turn(this.#rope.sin),
      ...shapeInputs(past, count, heads / kvHeads),
    };
    if (this.spec.head) feeds.rows = new Tensor('int32', Int32Array.from(rows), [rows.length]);
    this.#kv.forEach(({ pastKey, pastValue }, i) => {
      const { keys, values } = cache.past(i);
      feeds[pastKey] = keys;
      feeds[pastValue] = values;
    });
    const out = await this.#session.run(feeds, this.#fetches);
    const data = (name: string) => out[name]!.data as Float32Array;
    this.#kv.forEach(({ newKey, newValue }, i) => {
      cache.write(i, data(newKey), data(newValue));
    });
    cache.advance(count);
    return {
      logits: this.spec.head && rows.length > 0 ? data('logits') : null,
      hidden: this.spec.head ? null : data('hidden_out'),
      extra: Object.fromEntries(this.#extra.map((name) => [name, data(name)])),
    };
  }

  #embed(ids: readonly number[]): Float32Array {
    if (!this.#embedding)
      throw new EngineError('SESSION_FAILED', { reason: 'stage has no embedding' });
    const out = new Float32Array(ids.length * this.config.hidden);
    this.#embedding.gather(ids, out);
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

/** Inputs that depend only on how many positions there are. */
function shapeInputs(past: number, count: number, groups: number): Record<string, Tensor> {
  const old = Math.max(1, past); // see KvCache.past
  const positions = BigInt64Array.from({ length: count }, (_, i) => BigInt(i));
  const nothingHidden = past > 0 && count === 1;
  const width = nothingHidden ? 1 : old + count;
  const rows = nothingHidden ? 1 : groups * count;
  const mask = new Float32Array(rows * width);
  if (!nothingHidden) {
    for (let row = 0; row < rows; row++) {
      const start = row * width;
      mask.fill(MASKED, start + past, start + old);
      mask.fill(MASKED, start + old + Math.floor(row / groups) + 1, start + width);
    }
  }
  return {
    positions: new Tensor('int64', positions, [count, 1]),
    mask: new Tensor('float32', mask, [rows, width]),
    split: new Tensor('int64', BigInt64Array.of(BigInt(old), BigInt(count)), [2]),
  };
}
