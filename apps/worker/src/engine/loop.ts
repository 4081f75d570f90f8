/**
 * Several answers at once over one session. Each step gives one prefilling sequence one chunk and every
 * decoding one a token, all in one run, so that nobody waits longer than one chunk; `session.run` gives
 * the event loop a turn before each run, and that is where cancellations arrive.
 *
 * Over a pipeline as many steps are under way as it has stages, each with its share of the sequences, so
 * that no stage waits for the others.
 */
import type { Choice } from '@blyan/model/sampler-state';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { NodeJob } from '@blyan/protocol/node';
import { EngineError, failureOf } from './errors.ts';
import type { KvMemory } from './kv-memory.ts';
import type { JobEvent } from './messages.ts';
import type { ModelSession } from './model-session.ts';
import { Sequence } from './sequence.ts';
import { TokenBatches } from './token-batches.ts';

/** A sequence that waits for memory says so this often: the coordinator gives up what is silent. */
const WAITING_MS = 5000;
/** A lane without work looks again after this time, for deadlines and memory. */
const IDLE_LANE_MS = 250;

export interface LoopOptions {
  /** Hash of the model block that the session was built from, hex. */
  model: string;
  slots: number;
  /** Steps that are under way at the same time: one for each stage of a pipeline. 1 by default. */
  lanes?: number;
}

export interface LoopDeps {
  session: ModelSession;
  memory: KvMemory;
  emit(event: JobEvent): void;
}

export class EngineLoop {
  readonly #options: LoopOptions;
  readonly #deps: LoopDeps;
  /** In order of arrival; a sequence that has read a chunk goes behind those that wait for theirs. */
  readonly #active = new Map<string, Sequence>();
  readonly #batches: TokenBatches;
  #running: Promise<void> | null = null;
  #draining = false;
  #toldWaiting = 0;
  /** Lanes in the middle of a step. */
  #working = 0;
  readonly #idleLanes = new Set<() => void>();

  constructor(options: LoopOptions, deps: LoopDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#batches = new TokenBatches(deps.emit);
  }

  get active(): number {
    return this.#active.size;
  }

  /** Sequences that wait for memory. */
  get waiting(): number {
    return [...this.#active.values()].filter((sequence) => !sequence.admitted).length;
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
      const sequence = this.#accept(job);
      this.#active.set(requestId, sequence);
      this.#running ??= this.#run();
      this.#wake();
    } catch (error) {
      this.#fail(job, error);
    }
  }

  #accept(job: NodeJob): Sequence {
    const { model, slots } = this.#options;
    if (this.#draining) throw new EngineError('ENGINE_DRAINING');
    if (job.model !== model) {
      throw new EngineError('MODEL_MISMATCH', { wanted: job.model, loaded: model });
    }
    if (this.#active.size >= slots) throw new EngineError('SLOTS_FULL', { slots });
    return new Sequence(job, this.#deps);
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

  /** Ends all that runs with the same failure, which is of what they ran on. */
  abandonAll(error: unknown): void {
    for (const sequence of [...this.#active.values()]) this.#abandon(sequence, error);
    this.#deps.memory.clear();
  }

  get #lanes(): number {
    return this.#options.lanes ?? 1;
  }

  async #run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#lanes }, () => this.#lane()));
    this.#running = null;
  }

  async #lane(): Promise<void> {
    // All lanes end together: one that left early would be missing when the next job comes.
    while (this.#active.size > 0 || this.#working > 0) {
      this.#working++;
      const worked = await this.#step();
      this.#working--;
      const over = this.#active.size === 0 && this.#working === 0;
      // What this step has left or made ready, another lane may take. A step without work wakes nobody:
      // two idle lanes would wake each other forever.
      if (worked || over) this.#wake();
      else await this.#idle();
    }
  }

  #wake(): void {
    for (const wake of this.#idleLanes) wake();
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#idleLanes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, IDLE_LANE_MS);
      this.#idleLanes.add(wake);
    });
  }

  /** False when there was nothing that no other lane is at. */
  async #step(): Promise<boolean> {
    this.#sweep();
    const prefilling = this.#admitted().find(
      (sequence) => !sequence.running && sequence.prefilling,
    );
    if (prefilling) await this.#prefill(prefilling);
    const decoding = this.#admitted().filter((sequence) => !sequence.prefilling);
    const free = decoding.filter((sequence) => !sequence.running && !sequence.finished);
    // Equal shares of all, so that the lanes stay apart.
    const share = free.slice(0, Math.ceil(decoding.length / this.#lanes));
    const { slots } = this.#deps.session;
    for (let i = 0; i < share.length; i += slots) {
      await this.#decode(share.slice(i, i + slots));
    }
    return prefilling !== undefined || share.length > 0;
  }

  /** Ends what is complete or too late, also while it waits for memory. */
  #sweep(): void {
    const now = performance.now();
    for (const sequence of [...this.#active.values()]) {
      if (sequence.finished) this.#finish(sequence);
      else if (now > sequence.deadline) {
        this.#abandon(sequence, new EngineError('DEADLINE_PASSED'));
      }
    }
  }

  /** Those that have memory. They get it in order of arrival: a small one does not overtake. */
  #admitted(): Sequence[] {
    const admitted: Sequence[] = [];
    const waiting: Sequence[] = [];
    // One that is in the middle of its prompt may be behind those that wait: it goes on.
    for (const sequence of [...this.#active.values()]) {
      const has = sequence.admitted || (waiting.length === 0 && this.#admit(sequence));
      if (this.#isActive(sequence)) (has ? admitted : waiting).push(sequence);
    }
    if (waiting.length > 0 && performance.now() - this.#toldWaiting > WAITING_MS) {
      this.#toldWaiting = performance.now();
      for (const sequence of waiting) this.#tellProgress(sequence);
    }
    return admitted;
  }

  #admit(sequence: Sequence): boolean {
    try {
      return sequence.admit();
    } catch (error) {
      this.#abandon(sequence, error);
      return false;
    }
  }

  async #prefill(sequence: Sequence): Promise<void> {
    // A run of many positions: nothing waits that long.
    this.#batches.flush();
    try {
      const choice = await sequence.prefill();
      if (!this.#isActive(sequence)) return;
      this.#tellProgress(sequence);
      if (choice) this.#give(sequence, [choice]);
    } catch (error) {
      this.#abandon(sequence, error);
    }
    // Prefills take turns: the one that ran goes behind the others.
    if (!this.#isActive(sequence) || !sequence.prefilling) return;
    this.#active.delete(sequence.job.requestId);
    this.#active.set(sequence.job.requestId, sequence);
  }

  async #decode(group: Sequence[]): Promise<void> {
    // A run before this gave cancellations and other lanes a turn.
    const ready = group.filter((each) => this.#isActive(each) && !each.running);
    const sequences = ready.filter((each) => this.#reserved(each));
    const [only] = sequences;
    // Each draft makes a run longer, and in a run of several sequences the others would wait for it.
    const draft = only && sequences.length === 1 ? only.draft() : [];
    try {
      if (only && draft.length > 0) {
        this.#give(only, await only.check(draft));
        return;
      }
      const choices = await Sequence.decode(sequences, this.#deps.session);
      sequences.forEach((sequence, i) => {
        const choice = choices[i]!;
        if (choice instanceof Error) this.#abandon(sequence, choice);
        else this.#give(sequence, [choice]);
      });
    } catch (error) {
      for (const sequence of sequences) this.#abandon(sequence, error);
    }
  }

  /** Each takes its memory before the run: what the system refuses one is no failure of the others. */
  #reserved(sequence: Sequence): boolean {
    try {
      sequence.reserve();
      return true;
    } catch (error) {
      this.#abandon(sequence, error);
      return false;
    }
  }

  /** Tokens that a sequence has chosen, unless it was ended meanwhile. */
  #give(sequence: Sequence, choices: Choice[]): void {
    if (!this.#isActive(sequence)) return;
    const { job, count } = sequence;
    choices.forEach((choice, i) => {
      this.#batches.push(job, count - choices.length + i, choice);
    });
    if (sequence.finished) this.#finish(sequence);
  }

  #tellProgress({ job, progress }: Sequence): void {
    const { requestId, attempt } = job;
    this.#deps.emit({ type: 'prefill', requestId, attempt, ...progress });
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

  /** One sequence's failure is its own; the others go on. */
  #abandon(sequence: Sequence, error: unknown): void {
    if (!this.#isActive(sequence)) return;
    this.#end(sequence);
    this.#fail(sequence.job, error);
  }

  /** The cache is given back when no run uses it any more: see Sequence.release. */
  #end(sequence: Sequence): void {
    this.#active.delete(sequence.job.requestId);
    this.#batches.end(sequence.job);
    sequence.release();
    this.#wake();
  }

  #fail({ requestId, attempt }: NodeJob, error: unknown): void {
    const failure = failureOf(error, MAX_ERROR_CHARS);
    this.#deps.emit({ type: 'fail', requestId, attempt, ...failure });
  }
}
