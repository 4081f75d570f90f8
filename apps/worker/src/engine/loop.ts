/**
 * Several answers at once over one session. Each step gives every decoding sequence one token and one
 * prefilling sequence one chunk, so that nobody waits longer than one chunk; `session.run` gives the
 * event loop a turn before each run, and that is where cancellations arrive.
 */
import type { ModelConfig } from '@blyan/model/config';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { NodeJob } from '@blyan/protocol/node';
import { EngineError, failureOf } from './errors.ts';
import type { JobEvent } from './messages.ts';
import { Sequence } from './sequence.ts';
import type { StageSession } from './stage-session.ts';
import { TokenBatches } from './token-batches.ts';

/** Most positions of one prefill run. */
const MAX_CHUNK = 256;
const MIN_CHUNK = 16;
/** Scores of one layer, [heads, S, P + S] in f32, stay below 128 MiB. */
const MAX_SCORES = 1 << 25;
/**
 * Positions times weights of one run: about 150 ms on two cores of 2023. Small chunks are nearly free:
 * 256 positions of the 0.6B shape in q4 took 2.35 s of CPU time in runs of 32, 2.1 to 2.5 s at once.
 */
const MAX_WORK = 1.6e10;

/**
 * Positions of the next prefill run. It follows from the model and the position alone, never from
 * load: the split decides in which order attention sums, and a re-run shall give equal bits.
 */
export function prefillChunk(config: ModelConfig, past: number): number {
  const { hidden, heads, kvHeads, headDim, intermediate, layers } = config;
  const attention = 2 * hidden * headDim * (heads + kvHeads);
  const weights = layers * (attention + 3 * hidden * intermediate);
  const byWork = 2 ** Math.floor(Math.log2(MAX_WORK / weights));
  const byMemory = Math.floor(MAX_SCORES / (heads * (past + MAX_CHUNK)));
  return Math.max(MIN_CHUNK, Math.min(MAX_CHUNK, byWork, byMemory));
}

export interface LoopOptions {
  /** Hash of the model block that the session was built from, hex. */
  model: string;
  slots: number;
}

export interface LoopDeps {
  session: StageSession;
  emit(event: JobEvent): void;
}

export class EngineLoop {
  readonly #options: LoopOptions;
  readonly #deps: LoopDeps;
  /** In order of arrival. */
  readonly #active = new Map<string, Sequence>();
  readonly #batches: TokenBatches;
  #running: Promise<void> | null = null;
  #draining = false;

  constructor(options: LoopOptions, deps: LoopDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#batches = new TokenBatches(deps.emit);
  }

  get active(): number {
    return this.#active.size;
  }

  /** Never throws: what cannot be served ends in a `fail` event of its own. */
  submit(job: NodeJob): void {
    const { requestId } = job;
    const known = this.#active.get(requestId);
    if (known) {
      // A queue may deliver twice; only a later attempt takes over. Each attempt ends in one event.
      if (known.job.attempt === job.attempt) return;
      if (known.job.attempt < job.attempt) this.#finish(known);
    }
    try {
      if (known && known.job.attempt > job.attempt) throw new EngineError('ATTEMPT_SUPERSEDED');
      const sequence = this.#admit(job);
      this.#active.set(requestId, sequence);
      this.#running ??= this.#run();
    } catch (error) {
      this.#fail(job, error);
    }
  }

  #admit(job: NodeJob): Sequence {
    const { model, slots } = this.#options;
    if (this.#draining) throw new EngineError('ENGINE_DRAINING');
    if (job.model !== model) {
      throw new EngineError('MODEL_MISMATCH', { wanted: job.model, loaded: model });
    }
    if (this.#active.size >= slots) throw new EngineError('SLOTS_FULL', { slots });
    return new Sequence(job, this.#deps.session);
  }

  /** Ends an attempt at the next boundary between runs, with `done` for what it has. */
  cancel(requestId: string, attempt: number): void {
    const sequence = this.#active.get(requestId);
    if (sequence?.job.attempt === attempt) this.#finish(sequence);
  }

  /** Takes no more jobs; resolves when those that run have ended. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#active.size > 0) await this.#step([...this.#active.values()]);
    this.#running = null;
  }

  async #step(active: Sequence[]): Promise<void> {
    const prefilling = active.find((sequence) => sequence.prefilling);
    const turns = active.filter((sequence) => sequence === prefilling || !sequence.prefilling);
    for (const sequence of turns) await this.#advance(sequence);
    // Prefills take turns too: the one that ran goes behind the others.
    if (prefilling && this.#isActive(prefilling)) {
      this.#active.delete(prefilling.job.requestId);
      this.#active.set(prefilling.job.requestId, prefilling);
    }
  }

  async #advance(sequence: Sequence): Promise<void> {
    const { job } = sequence;
    const { requestId, attempt } = job;
    try {
      if (!this.#isActive(sequence)) return;
      if (sequence.finished) return this.#finish(sequence);
      if (Date.now() > job.deadline) throw new EngineError('DEADLINE_PASSED');
      const { session, emit } = this.#deps;
      const wasPrefilling = sequence.prefilling;
      // A run of many positions: nothing waits that long.
      if (wasPrefilling) this.#batches.flush();
      const chunk = prefillChunk(session.config, sequence.cache.length);
      const choice = await sequence.advance(session, chunk);
      if (!this.#isActive(sequence)) return;
      if (wasPrefilling) {
        const total = job.prompt.length + job.emitted.length;
        emit({ type: 'prefill', requestId, attempt, done: sequence.cache.length, total });
      }
      if (choice === null) return;
      this.#batches.push(job, sequence.count - 1, choice);
      if (sequence.finished) this.#finish(sequence);
    } catch (error) {
      // One sequence's failure is its own; the others go on.
      if (!this.#isActive(sequence)) return;
      this.#end(sequence);
      this.#fail(job, error);
    }
  }

  #isActive(sequence: Sequence): boolean {
    return this.#active.get(sequence.job.requestId) === sequence;
  }

  #finish(sequence: Sequence): void {
    const { job, count, prefillMs, decodeMs } = sequence;
    this.#end(sequence);
    const { requestId, attempt } = job;
    this.#deps.emit({ type: 'done', requestId, attempt, count, prefillMs, decodeMs });
  }

  /** The cache is freed when no run uses it any more: see Sequence.release. */
  #end(sequence: Sequence): void {
    this.#active.delete(sequence.job.requestId);
    this.#batches.end(sequence.job);
    sequence.release();
  }

  #fail({ requestId, attempt }: NodeJob, error: unknown): void {
    const failure = failureOf(error, MAX_ERROR_CHARS);
    this.#deps.emit({ type: 'fail', requestId, attempt, ...failure });
  }
}
