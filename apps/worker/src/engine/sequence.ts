/** One answer in the making: its tokens so far, its KV cache, and how far both are. */
import { ModelError } from '@blyan/model/errors';
import { type Choice, SamplerState } from '@blyan/model/sampler-state';
import type { NodeJob } from '@blyan/protocol/node';
import { Drafts } from './drafts.ts';
import { EngineError } from './errors.ts';
import type { KvCache } from './kv-cache.ts';
import type { KvLease, KvMemory } from './kv-memory.ts';
import type { ModelSession } from './model-session.ts';
import { prefillChunk } from './prefill-chunks.ts';
import type { StageOutput } from './stage-session.ts';

export class Sequence {
  readonly job: NodeJob;
  /** Monotonic ms. */
  readonly deadline: number;
  /** Prompt and answer. */
  readonly tokens: number[];
  /** Of the answer, earlier attempts included. */
  count: number;
  prefillMs = 0;
  decodeMs = 0;
  readonly #session: ModelSession;
  readonly #memory: KvMemory;
  /** Prompt, and tokens of earlier attempts: what is read before the first new token. */
  readonly #prefix: readonly number[];
  readonly #promptLength: number;
  readonly #stops: ReadonlySet<number>;
  readonly #sampler: SamplerState;
  readonly #drafts = new Drafts();
  #lease: KvLease | null = null;
  #running = false;
  #released = false;

  /** @throws EngineError context_length_exceeded, KV_MEMORY_TOO_SMALL; ModelError TOKEN_UNKNOWN */
  constructor(job: NodeJob, { session, memory }: { session: ModelSession; memory: KvMemory }) {
    const { context, vocab } = session.config;
    const { prompt, emitted, params } = job;
    if (prompt.length + params.maxTokens > context) {
      throw new EngineError(
        'context_length_exceeded',
        { prompt: prompt.length, maxTokens: params.maxTokens, context },
        `The prompt has ${prompt.length} tokens and the answer may have ${params.maxTokens}; together at most ${context} fit.`,
      );
    }
    const prefix = [...prompt, ...emitted];
    const unknown = prefix.find((id) => id >= vocab);
    if (unknown !== undefined) throw new ModelError('TOKEN_UNKNOWN', { id: unknown, vocab });
    memory.check(prompt.length + params.maxTokens);
    this.job = job;
    this.deadline = performance.now() + job.remainingMs;
    this.tokens = [...prefix];
    this.count = emitted.length;
    this.#prefix = prefix;
    this.#promptLength = prompt.length;
    this.#session = session;
    this.#memory = memory;
    this.#stops = new Set(job.stopTokens);
    this.#sampler = new SamplerState(params, prompt, emitted);
  }

  /**
   * False while there is no memory for all that it may grow to; asks again at each call.
   * @throws EngineError KV_MEMORY_UNAVAILABLE
   */
  admit(): boolean {
    const { prompt, params } = this.job;
    // What a replay reads behind the prompt has other bits than a prompt: neither taken over nor kept.
    this.#lease ??= this.#memory.lease(prompt, prompt.length + params.maxTokens);
    return this.#lease !== null;
  }

  /** Takes memory for one more position. @throws EngineError KV_MEMORY_UNAVAILABLE */
  reserve(): void {
    const { cache } = this.#lease!;
    cache.reserve(cache.length + 1);
  }

  /** Positions that are read, of those before the answer; and how many there are. */
  get progress(): { done: number; total: number } {
    const total = this.#prefix.length;
    return { done: Math.min(this.#lease?.cache.length ?? 0, total), total };
  }

  /** Tokens before the answer are still to be read. */
  get prefilling(): boolean {
    const { done, total } = this.progress;
    return done < total;
  }

  get admitted(): boolean {
    return this.#lease !== null;
  }

  /** A run over its cache is under way. */
  get running(): boolean {
    return this.#running;
  }

  /** Nothing is left to generate: also true for a replay that finds its answer complete. */
  get finished(): boolean {
    const last = this.count > 0 ? this.tokens.at(-1) : undefined;
    return this.count >= this.job.params.maxTokens || (last !== undefined && this.#stops.has(last));
  }

  /** Reads one chunk; null while the prefix is not read to its end, then the first token. */
  async prefill(): Promise<Choice | null> {
    const { cache } = this.#lease!;
    const past = cache.length;
    const { result, ms } = await this.#run([this], () =>
      past < this.#promptLength ? this.#readPrompt(cache) : this.#replay(cache),
    );
    this.prefillMs += ms;
    if (cache.length < this.#prefix.length || result.logits === null) return null;
    return this.#next(result.logits);
  }

  #readPrompt(cache: KvCache): Promise<StageOutput> {
    const past = cache.length;
    const chunk = prefillChunk(this.#session.config, past);
    const ids = this.#prefix.slice(past, Math.min(past + chunk, this.#promptLength));
    const last = past + ids.length === this.#prefix.length;
    const rows = last ? [ids.length - 1] : [];
    return this.#session.prefill(cache, { input: { ids }, rows });
  }

  /** Tokens of earlier attempts, with the bits that their decodes had: the answer goes on as it would have. */
  #replay(cache: KvCache): Promise<StageOutput> {
    const past = cache.length;
    const ids = this.#prefix.slice(past, past + this.#session.room(cache));
    const last = past + ids.length === this.#prefix.length;
    return ids.length > 1
      ? this.#session.check(cache, { ids }, last ? [ids.length - 1] : [])
      : this.#session.decode([cache], { ids: this.#prefix.slice(past, past + 1) });
  }

  /**
   * One more token of each sequence, in one run.
   * @returns what each has chosen, in their order, or why it could not
   */
  static async decode(
    sequences: readonly Sequence[],
    session: ModelSession,
  ): Promise<(Choice | Error)[]> {
    const [first] = sequences;
    if (!first) return [];
    const caches = sequences.map((sequence) => sequence.#lease!.cache);
    const ids = sequences.map(({ tokens }) => tokens.at(-1)!);
    const { result, ms } = await first.#run(sequences, () => session.decode(caches, { ids }));
    const { vocab } = session.config;
    return sequences.map((sequence, row) => {
      sequence.decodeMs += ms;
      // In company a run is longer, and guesses are made for a lone sequence only.
      if (sequences.length === 1) sequence.#drafts.plain(ms);
      try {
        return sequence.#next(result.logits!.subarray(row * vocab, (row + 1) * vocab));
      } catch (error) {
        return error as Error;
      }
    });
  }

  /** A guess at its next tokens, which `check` can take; empty for most texts most of the time. */
  draft(): number[] {
    // A check that is right to its end gives one token more than the draft has.
    const left = this.job.params.maxTokens - this.count - 1;
    const room = Math.min(left, this.#session.room(this.#lease!.cache) - 1);
    return room > 0 ? this.#drafts.propose(this.tokens, room) : [];
  }

  /** One run over the last token and a draft: the tokens that plain decoding gives, one at least. */
  async check(draft: readonly number[]): Promise<Choice[]> {
    const { cache } = this.#lease!;
    const before = cache.length;
    const ids = [this.tokens.at(-1)!, ...draft];
    const { result, ms } = await this.#run([this], () => this.#session.check(cache, { ids }));
    const { vocab } = this.#session.config;
    const rows = ids.map((_, i) => result.logits!.subarray(i * vocab, (i + 1) * vocab));
    const choices = this.#guarded(() => this.#sampler.verify(rows, draft));
    const end = choices.findIndex(({ token }) => this.#stops.has(token));
    const given = end < 0 ? choices : choices.slice(0, end + 1);
    this.decodeMs += ms;
    this.#drafts.checked(draft.length, given.length, ms);
    for (const { token } of given) this.#take(token);
    cache.truncate(before + given.length);
    return given;
  }

  /** Gives the memory back, behind the run that uses it if there is one. */
  release(): void {
    this.#released = true;
    if (this.#lease && !this.#running) this.#memory.release(this.#lease);
  }

  /** A run over the caches of `sequences`: those that are released meanwhile are so behind it. */
  async #run<T>(sequences: readonly Sequence[], run: () => Promise<T>) {
    const start = performance.now();
    for (const sequence of sequences) sequence.#running = true;
    try {
      const result = await run();
      return { result, ms: performance.now() - start };
    } finally {
      for (const sequence of sequences) {
        sequence.#running = false;
        if (sequence.#released) sequence.release();
      }
    }
  }

  #next(logits: Float32Array): Choice {
    const { vocab } = this.#session.config;
    if (logits.length !== vocab)
      throw new RangeError(`${logits.length} logits for ${vocab} tokens`);
    const choice = this.#guarded(() => this.#sampler.next(logits));
    this.#take(choice.token);
    return choice;
  }

  #take(token: number): void {
    this.tokens.push(token);
    this.count++;
  }

  #guarded<T>(choose: () => T): T {
    try {
      return choose();
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new EngineError('LOGITS_INVALID', { position: this.count }, cause.message, cause);
    }
  }
}
