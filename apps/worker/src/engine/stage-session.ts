/** One stage as an ONNX Runtime session: positions in, logits or hidden states out, KV written back. */
import type { ModelConfig } from '@blyan/model/config';
import {
  newKey,
  newValue,
  pastKey,
  pastValue,
  recentKey,
  recentValue,
} from '@blyan/model/stage/attention-io';
import type { StageGraph } from '@blyan/model/stage/graph';
import { layerRange, type StageSpec } from '@blyan/model/stage/plan';
import { Rope } from '@blyan/model/stage/rope';
import { Tensor } from 'onnxruntime-node';
import { EngineError } from './errors.ts';
import { type KeysValues, KvCache } from './kv-cache.ts';
import {
  checkInputs,
  decodeInputs,
  prefillInputs,
  type RunShape,
  recentRoom,
  recentStart,
} from './run-inputs.ts';
import {
  type BuiltParts,
  createParts,
  type Part,
  type StageNumerics,
  type StageSessionOptions,
} from './stage-parts.ts';

/** Token ids where the stage embeds, else hidden states [count, hidden]. */
export type StageInput = { ids: readonly number[] } | { hidden: Float32Array };

export interface StageOutput {
  /** [rows, vocab] of a stage with a head, null without rows. */
  logits: Float32Array | null;
  /** [count, hidden] of a stage without a head. */
  hidden: Float32Array | null;
  /** The outputs named in `fetch`. */
  extra: Record<string, Float32Array>;
}

/** One run: which rows belong to which cache. */
interface Run {
  input: StageInput;
  /** Position of each row in its sequence. */
  positions: number[];
  rows: readonly number[];
  caches: KvCache[];
  /** Rows of each cache. */
  count: number;
  /** Rows behind them that belong to no cache. */
  padding: number;
  /** The past goes in whole; else the partly filled block at its end goes in of its own. */
  whole: boolean;
  feeds: Record<string, Tensor>;
}

export class StageSession {
  readonly config: ModelConfig;
  readonly spec: StageSpec;
  /** Sequences that one decode run can serve. */
  readonly slots: number;
  readonly numerics: StageNumerics;
  /** Milliseconds that the runtime took to create its sessions. */
  readonly createMs: number;
  /** What the runtime was given, and the rows of the embedding, which stay where they were verified. */
  readonly memoryBytes: number;
  /** In the order of the layers. */
  readonly #parts: Part[];
  readonly #embedding: StageGraph['embedding'];
  readonly #rope: Rope;
  readonly #extra: string[];
  readonly #layers: number;
  /** For slots without a sequence: the runtime wants every input of every run. */
  readonly #noPast: { past: KeysValues; recent: KeysValues };
  readonly #shape: RunShape;
  /** Rows of a run whose bits must not depend on its other rows are filled up to a multiple of it. */
  #rowMultiple: 1 | 2 = 1;

  private constructor(spec: StageSpec, built: BuiltParts, extra: string[]) {
    const { config } = spec;
    this.spec = spec;
    this.config = config;
    this.slots = built.slots;
    this.numerics = built.numerics;
    this.createMs = built.createMs;
    this.memoryBytes = built.memoryBytes;
    this.#parts = built.parts.sort((a, b) => a.first - b.first);
    this.#embedding = built.embedding;
    this.#rope = new Rope(config);
    this.#layers = layerRange(spec).length;
    this.#extra = extra;
    const { heads, kvHeads, headDim } = config;
    const { kv } = this.numerics;
    this.#shape = { slots: this.slots, kvHeads, groups: heads / kvHeads, headDim, kv };
    const nothing = new KvCache(config, 1, kv);
    nothing.reserve(1);
    this.#noPast = { past: nothing.view(0, 0, 0, true), recent: nothing.view(0, 0, 0) };
  }

  /**
   * @param graphs of stages that make up `spec`, in any order; each may be dropped when the next is
   *   asked for
   */
  static async create(
    spec: StageSpec,
    graphs: AsyncIterable<StageGraph>,
    options: StageSessionOptions,
  ): Promise<StageSession> {
    const { fetch = [] } = options;
    const built = await createParts(spec, graphs, options);
    const created = new StageSession(spec, built, fetch);
    // All layers have matrices of the same shapes: the parts between say what the first one does.
    const ends = created.#parts.filter((_, i, { length }) => i === 0 || i === length - 1);
    const asked = new StageSession(spec, { ...built, parts: ends }, []);
    created.#rowMultiple = await asked.#findRowMultiple();
    return created;
  }

  /** An empty cache of the right shape for one sequence. */
  createCache(): KvCache {
    return new KvCache(this.config, this.#layers, this.numerics.kv);
  }

  /**
   * Reads positions of one sequence behind those in its cache, and adds them to it.
   * @param rows offsets inside this run whose logits are wanted; none skips reading them
   */
  async prefill(
    cache: KvCache,
    { input, rows }: { input: StageInput; rows: readonly number[] },
  ): Promise<StageOutput> {
    const count = this.#count(input);
    return await this.#run({
      input,
      positions: Array.from({ length: count }, (_, i) => cache.length + i),
      rows,
      caches: [cache],
      count,
      padding: 0,
      whole: true,
      feeds: prefillInputs(cache.length, count, this.#shape),
    });
  }

  /**
   * One new position of each of up to `slots` sequences that have a past, in one run.
   * @returns logits [caches.length, vocab] or hidden states, in the order of the caches
   */
  async decode(caches: KvCache[], input: StageInput): Promise<StageOutput> {
    if (caches.length === 0 || caches.length > this.slots) {
      throw new RangeError(`${caches.length} sequences in a run for 1 to ${this.slots}`);
    }
    const positions = caches.map(({ length }) => length);
    const padding = this.#padding(caches.length);
    return await this.#run({
      input,
      positions,
      rows: positions.map((_, i) => i),
      caches,
      count: 1,
      padding,
      whole: false,
      feeds: decodeInputs(positions, padding, this.#shape),
    });
  }

  /** How many positions `check` can take behind a cache. */
  room(cache: KvCache): number {
    const room = Math.min(recentRoom(cache.length), this.config.context - cache.length);
    return room - (room % this.#rowMultiple);
  }

  /**
   * Several new positions of one sequence, at most `room`, with the bits that as many decodes would
   * give them.
   * @param rows offsets inside this run whose logits are wanted; by default all
   * @returns their logits, or the hidden states of all positions
   */
  async check(cache: KvCache, input: StageInput, rows?: readonly number[]): Promise<StageOutput> {
    const count = this.#count(input);
    if (count < 2 || count > this.room(cache)) {
      throw new RangeError(`${count} positions in a check of 2 to ${this.room(cache)}`);
    }
    const padding = this.#padding(count);
    const positions = Array.from({ length: count }, (_, i) => cache.length + i);
    return await this.#run({
      input,
      positions,
      rows: rows ?? positions.map((_, i) => i),
      caches: [cache],
      count,
      padding,
      whole: false,
      // A row of padding is one more position, which no other one sees.
      feeds: checkInputs(cache.length, count + padding, this.#shape),
    });
  }

  #count(input: StageInput): number {
    return 'hidden' in input ? input.hidden.length / this.config.hidden : input.ids.length;
  }

  #padding(rows: number): number {
    return rows % this.#rowMultiple;
  }

  async #run(run: Run): Promise<StageOutput> {
    const { input, positions, rows, caches, count, padding, whole, feeds } = run;
    const { hidden: width, headDim } = this.config;
    const used = positions.length;
    const total = used + padding;
    const given = 'hidden' in input ? input.hidden : this.#embed(input.ids);
    if (given.length !== used * width) {
      throw new RangeError(`${given.length} hidden values for ${used} positions`);
    }
    for (const cache of caches) cache.reserve(cache.length + count);
    const { cos, sin, queryCos, querySin } = this.#rope.tables(padded(positions, total));
    const table = (values: Float32Array) => new Tensor('float32', values, [total, headDim / 2]);
    feeds.cos = table(cos);
    feeds.sin = table(sin);
    feeds['query.cos'] = table(queryCos);
    feeds['query.sin'] = table(querySin);
    const wanted = padded(rows, rows.length + (whole ? 0 : this.#padding(rows.length)));
    feeds.rows = new Tensor('int32', Int32Array.from(wanted), [wanted.length]);
    let hidden = paddedRows(given, total * width);
    let logits: Float32Array | null = null;
    const extra: Record<string, Float32Array> = {};
    for (const part of this.#parts) {
      feeds.hidden = new Tensor('float32', hidden, [total, width]);
      const data = await this.#runPart(part, run);
      if (part.spec.head) logits = data('logits');
      else hidden = data('hidden_out');
      for (const name of part.fetches) if (this.#extra.includes(name)) extra[name] = data(name);
    }
    for (const cache of caches) cache.advance(count);
    const { vocab } = this.config;
    return {
      logits: logits && rows.length > 0 ? logits.subarray(0, rows.length * vocab) : null,
      hidden: this.spec.head ? null : hidden.subarray(0, used * width),
      extra,
    };
  }

  /** Runs one part, and writes its new K and V behind the pasts. */
  async #runPart(
    { session, layers, first, fetches }: Part,
    { feeds, caches, count, whole }: Run,
  ): Promise<(name: string) => Float32Array> {
    const own = { ...feeds };
    for (let slot = 0; slot < this.slots; slot++) {
      const cache = caches[slot];
      const start = cache ? (whole ? cache.length : recentStart(cache.length)) : 0;
      layers.forEach((layer, i) => {
        const past = cache?.view(first + i, 0, start, true) ?? this.#noPast.past;
        const recent = cache?.view(first + i, start, cache.length) ?? this.#noPast.recent;
        own[pastKey(layer, slot)] = past.keys;
        own[pastValue(layer, slot)] = past.values;
        own[recentKey(layer, slot)] = recent.keys;
        own[recentValue(layer, slot)] = recent.values;
      });
    }
    const out = await session.run(own, fetches);
    const data = (name: string) => out[name]!.data as Float32Array;
    layers.forEach((layer, i) => {
      const keys = data(newKey(layer));
      const values = data(newValue(layer));
      for (const [slot, cache] of caches.entries()) {
        cache.write(first + i, keys, values, slot * count, count);
      }
    });
    return data;
  }

  /**
   * What rows of a decode or check are filled up to, so that each gets the same bits whoever is served
   * beside it. Some kernels for 4-bit weights take rows in pairs and sum a single one in another order:
   * with AVX2 a lone row, with AVX-512 the odd one behind the pairs, too (blocks of 64 and 128). Asked
   * once, of the session itself: three positions one by one and in one run.
   */
  async #findRowMultiple(): Promise<1 | 2> {
    const { hidden: width, context } = this.config;
    if (context < 4) return 2;
    const rows = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i + 1) / 4);
    const begun = () => {
      const cache = this.createCache();
      cache.reserve(4);
      cache.advance(1);
      return cache;
    };
    const values = ({ logits, hidden }: StageOutput) => (logits ?? hidden)!;
    const together = values(await this.check(begun(), { hidden: rows }));
    const size = together.length / 3;
    const cache = begun();
    for (let row = 0; row < 3; row++) {
      const hidden = rows.slice(row * width, (row + 1) * width);
      const alone = values(await this.decode([cache], { hidden }));
      if (!alone.every((value, i) => Object.is(value, together[row * size + i]))) return 2;
    }
    return 1;
  }

  #embed(ids: readonly number[]): Float32Array {
    if (!this.#embedding)
      throw new EngineError('SESSION_FAILED', { reason: 'stage has no embedding' });
    const out = new Float32Array(ids.length * this.config.hidden);
    this.#embedding.gather(ids, out);
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { session } of this.#parts) await session.release();
  }
}

/** The last value again for each row of padding. */
function padded(values: readonly number[], length: number): readonly number[] {
  if (values.length >= length) return values;
  return [...values, ...new Array<number>(length - values.length).fill(values.at(-1)!)];
}

function paddedRows(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const out = new Float32Array(length);
  out.set(values);
  return out;
}
