/**
 * A whole model to whoever generates with it, as StageSession is: embedding and first layers here, the
 * others at the remote stages, final norm and head here again. With f32 frames it gives the same bits
 * as one session over all layers would.
 */
import type { ModelConfig } from '@blyan/model/config';
import type { FrameGroup, RunMode } from '@blyan/protocol/frames';
import { KvCache } from '../engine/kv-cache.ts';
import type { ModelSession } from '../engine/model-session.ts';
import type { StageNumerics } from '../engine/stage-parts.ts';
import type { StageInput, StageOutput, StageSession } from '../engine/stage-session.ts';
import type { RemoteStages } from './remote-stages.ts';
import type { TailSession } from './tail-session.ts';

/** The head's part of a sequence's cache; what happens to it happens in all stages, in the same order. */
class PipelineCache extends KvCache {
  /** Prefill chunks that the stages still work on. */
  readonly flying: Promise<unknown>[] = [];
  readonly number: number;
  readonly #epoch: number;
  readonly #stages: RemoteStages;

  constructor(shape: ConstructorParameters<typeof KvCache>, number: number, stages: RemoteStages) {
    super(...shape);
    this.number = number;
    this.#stages = stages;
    this.#epoch = stages.epoch;
  }

  /** The stages have forgotten the caches of an earlier epoch. */
  override get valid(): boolean {
    return this.#epoch !== 0 && this.#epoch === this.#stages.epoch;
  }

  /** Why it is not valid. */
  get loss(): Error {
    return this.#stages.loss;
  }

  override copyFrom(other: KvCache, length: number): void {
    super.copyFrom(other, length);
    if (this.valid) this.#stages.copy(ready(other).number, this.number, length);
  }

  override shrink(length: number): void {
    super.shrink(length);
    if (this.valid) this.#stages.keep(this.number, this.length);
  }

  override free(): void {
    super.free();
    if (this.valid) this.#stages.keep(this.number, 0);
  }
}

export interface PipelineParts {
  /** Embedding and the first layers. */
  front: StageSession;
  stages: RemoteStages;
  tail: TailSession;
  /** Of all stages. */
  numerics: StageNumerics;
  /** Stages, the head included. */
  count: number;
  /** A decode run over the head's own layers took so long. */
  onDecode?(ms: number): void;
}

export class PipelineSession implements ModelSession {
  readonly config: ModelConfig;
  readonly slots: number;
  readonly numerics: StageNumerics;
  readonly #parts: PipelineParts;
  #caches = 0;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.config = parts.front.config;
    this.slots = parts.front.slots;
    this.numerics = parts.numerics;
  }

  createCache(): KvCache {
    const { front, stages } = this.#parts;
    const [first, last] = front.spec.layers;
    this.#caches = (this.#caches + 1) >>> 0;
    const shape = [this.config, last - first + 1, front.numerics.kv] as const;
    return new PipelineCache([...shape], this.#caches, stages);
  }

  /**
   * As StageSession. A chunk that is not the last one is done when it is on its way: the next one
   * enters the first layers while this one is in the later ones.
   * @param rows none, or the last one
   */
  async prefill(
    given: KvCache,
    { input, rows }: { input: StageInput; rows: readonly number[] },
  ): Promise<StageOutput> {
    const { front, count } = this.#parts;
    const cache = ready(given);
    const position = cache.length;
    const { hidden } = await front.prefill(cache, { input, rows: [] });
    const group = { cache: cache.number, position, count: cache.length - position };
    const wanted = rows.length;
    const flying = this.#send('prefill', [group], hidden!, wanted);
    if (wanted > 0) {
      const back = await flying;
      cache.flying.length = 0;
      return output(await this.#parts.tail.logits(back!, true));
    }
    // Told by the next chunk, or by the loss of the epoch.
    flying.catch(() => undefined);
    cache.flying.push(flying);
    if (cache.flying.length >= count) await cache.flying.shift();
    return output(null);
  }

  async decode(given: KvCache[], input: StageInput): Promise<StageOutput> {
    const caches = given.map(ready);
    const groups = caches.map(({ number, length }) => group(number, length, 1));
    const start = performance.now();
    const { hidden } = await this.#parts.front.decode(caches, input);
    this.#parts.onDecode?.(performance.now() - start);
    const back = await this.#send('decode', groups, hidden!, caches.length);
    return output(await this.#parts.tail.logits(back!, false));
  }

  room(cache: KvCache): number {
    return this.#parts.front.room(cache);
  }

  /** @param rows all, as without it, or none, or the last one */
  async check(given: KvCache, input: StageInput, rows?: readonly number[]): Promise<StageOutput> {
    const cache = ready(given);
    const position = cache.length;
    const { hidden } = await this.#parts.front.check(cache, input);
    const count = cache.length - position;
    const wanted = rows?.length ?? count;
    const back = await this.#send('check', [group(cache.number, position, count)], hidden!, wanted);
    return output(back && (await this.#parts.tail.logits(back, false)));
  }

  #send(mode: RunMode, groups: FrameGroup[], hidden: Float32Array, wanted: number) {
    return this.#parts.stages.run({ mode, groups, hidden, wanted });
  }
}

const group = (cache: number, position: number, count: number): FrameGroup => ({
  cache,
  position,
  count,
});

const output = (logits: Float32Array | null): StageOutput => ({ logits, hidden: null, extra: {} });

/** @throws StageError for a cache that the stages no longer have: why they lost it */
function ready(cache: KvCache): PipelineCache {
  if (!(cache instanceof PipelineCache)) throw new TypeError('a cache of another session');
  if (cache.valid) return cache;
  throw cache.loss;
}
