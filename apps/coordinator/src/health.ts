/**
 * Whether a node that failed may be chosen again. A failure costs a pause that doubles with each one
 * in a row, in which others are taken if there are any. Good work clears the record, and so does time:
 * a stage of a pipeline that never stands long enough for a complete answer would pause longer each time
 * that its machine, or another one's, goes down. A node that fell silent must be heard without a gap for a
 * while before it gets anything. The first failure costs nothing more, so that a worker that was restarted
 * goes on.
 */
const FIRST_PAUSE_MS = 2000;
const MAX_PAUSE_MS = 300_000;
/** One failure is forgiven in each such time: what breaks down at every try rests about as long. */
const FORGIVEN_MS = 60_000;
/** Its neighbours tell of a death at once, the node when it is there again: that is one failure. */
const RESTART_MS = 10_000;
/** Heartbeats without a gap that are wanted of a node that was silent. */
const STEADY_MS = 3000;
/** Events that went missing, which a restart of Redis explains, too: so many in a row are no accident. */
const MOST_DOUBTS = 5;

export class Health {
  readonly #steadyMs: number;
  #failures = 0;
  /** Monotonic ms up to which time has forgiven; of no meaning without failures. */
  #forgivenAt = 0;
  /** Monotonic ms of the last failure. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #doubts = 0;
  #until = Number.NEGATIVE_INFINITY;
  #steadyFrom = Number.NEGATIVE_INFINITY;

  constructor(steadyMs = STEADY_MS) {
    this.#steadyMs = steadyMs;
  }

  /** It broke down, or its work did. All times are monotonic ms. */
  failed(now: number): void {
    this.#count(now);
    if (this.#failures < 2) return;
    const pause = FIRST_PAUSE_MS * 2 ** (this.#failures - 2);
    this.#until = now + Math.min(pause, MAX_PAUSE_MS);
  }

  /** It was started anew, which a breakdown that was told of just before explains. */
  restarted(now: number): void {
    if (now - this.#failedAt > RESTART_MS) this.failed(now);
  }

  /** It neither works nor breaks down: others are to have its place for a while. */
  stuck(now: number): void {
    this.#count(now);
    this.#until = now + MAX_PAUSE_MS;
  }

  #count(now: number): void {
    this.#failedAt = now;
    const forgiven = Math.floor((now - this.#forgivenAt) / FORGIVEN_MS);
    if (forgiven < this.#failures) this.#forgivenAt += forgiven * FORGIVEN_MS;
    else this.#forgivenAt = now;
    this.#failures = Math.max(0, this.#failures - forgiven) + 1;
  }

  /** It is heard again after a silence in which it was given up. */
  returned(now: number): void {
    this.#steadyFrom = now;
  }

  /** An answer, or its part of one, is complete. */
  worked(): void {
    this.#failures = 0;
    this.#doubts = 0;
  }

  /** Events of it are missing; true when that cannot be an accident any more. */
  doubted(): boolean {
    return ++this.#doubts >= MOST_DOUBTS;
  }

  /** It failed again and again: nothing for it while there is another. */
  isPaused(now: number): boolean {
    return now < this.#until;
  }

  /** It was heard without a gap for long enough. */
  isSteady(now: number): boolean {
    return now - this.#steadyFrom >= this.#steadyMs;
  }
}
