/** One answer in the making: its tokens so far, its KV cache, and how far both are. */
import { ModelError } from '@blyan/model/errors';
import { type Choice, SamplerState } from '@blyan/model/sampler-state';
import type { NodeJob } from '@blyan/protocol/node';
import { EngineError } from './errors.ts';
import type { KvCache } from './kv-cache.ts';
import type { StageSession } from './stage-session.ts';

export class Sequence {
  readonly job: NodeJob;
  readonly cache: KvCache;
  /** Prompt and answer. */
  readonly tokens: number[];
  /** Of the answer, earlier attempts included. */
  count: number;
  prefillMs = 0;
  decodeMs = 0;
  readonly #stops: ReadonlySet<number>;
  readonly #sampler: SamplerState;
  #running = false;
  #released = false;

  /** @throws EngineError context_length_exceeded, ModelError TOKEN_UNKNOWN */
  constructor(job: NodeJob, session: StageSession) {
    const { context, vocab } = session.config;
    const { prompt, emitted, params } = job;
    if (prompt.length + params.maxTokens > context) {
      throw new EngineError(
        'context_length_exceeded',
        { prompt: prompt.length, maxTokens: params.maxTokens, context },
        `The prompt has ${prompt.length} tokens and the answer may have ${params.maxTokens}; together at most ${context} fit.`,
      );
    }
    this.tokens = [...prompt, ...emitted];
    const unknown = this.tokens.find((id) => id >= vocab);
    if (unknown !== undefined) throw new ModelError('TOKEN_UNKNOWN', { id: unknown, vocab });
    this.job = job;
    this.count = emitted.length;
    this.cache = session.createCache();
    this.#stops = new Set(job.stopTokens);
    this.#sampler = new SamplerState(params, prompt, emitted);
  }

  /** Tokens are ahead of the cache by more than the one that a decode step reads. */
  get prefilling(): boolean {
    return this.cache.length + 1 < this.tokens.length || this.count === this.job.emitted.length;
  }

  /** Nothing is left to generate: also true for a replay that finds its answer complete. */
  get finished(): boolean {
    const last = this.count > 0 ? this.tokens.at(-1) : undefined;
    return this.count >= this.job.params.maxTokens || (last !== undefined && this.#stops.has(last));
  }

  /**
   * One run: at most `chunk` tokens of the prefix, or one token of the answer. Returns what was chosen,
   * null while the prefix is not read to its end.
   */
  async advance(session: StageSession, chunk: number): Promise<Choice | null> {
    const start = performance.now();
    const { prefilling } = this;
    this.#running = true;
    try {
      const from = this.cache.length;
      const ids = this.tokens.slice(from, from + (prefilling ? chunk : 1));
      const last = from + ids.length === this.tokens.length;
      const { logits } = await session.run(this.cache, {
        input: { ids },
        rows: last ? [ids.length - 1] : [],
      });
      return logits === null ? null : this.#sample(logits);
    } finally {
      const ms = performance.now() - start;
      if (prefilling) this.prefillMs += ms;
      else this.decodeMs += ms;
      this.#running = false;
      if (this.#released) this.cache.free();
    }
  }

  /** Gives the cache's memory back, behind the run that uses it if there is one. */
  release(): void {
    this.#released = true;
    if (!this.#running) this.cache.free();
  }

  #sample(logits: Float32Array): Choice {
    let choice: Choice;
    try {
      choice = this.#sampler.next(logits);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new EngineError('LOGITS_INVALID', { position: this.count }, cause.message, cause);
    }
    this.tokens.push(choice.token);
    this.count++;
    return choice;
  }
}
