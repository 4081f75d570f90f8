/**
 * Tokens on their way out, batched per answer. Each batch costs about 3 ms of CPU time between here
 * and the browser, on a machine whose cores the engine wants for itself: one batch for each token of
 * a model with 40 tokens/s took 14% of its speed.
 *
 * A token goes out at once unless one of its answer did within BATCH_MS. There is no timer: a run
 * blocks the event loop, so what waits goes out with the next token, and before any longer run.
 */
import type { Choice } from '@blyan/model/sampler-state';
import type { NodeJob } from '@blyan/protocol/node';
import type { TokenLogprobs } from '@blyan/protocol/sampling';
import type { JobEvent } from './messages.ts';

/** Three tokens at 40 tokens/s: a dozen batches a second still read as a steady stream. */
const BATCH_MS = 60;
/**
 * Log-probabilities in one batch. One takes up to 45 bytes of JSON, and an event may have 64 KiB
 * (MAX_EVENT_BYTES) and 1024 tokens.
 */
const BATCH_LOGPROBS = 1000;

type TokensEvent = Extract<JobEvent, { type: 'tokens' }>;

interface Answer {
  /** Monotonic ms of the last batch. */
  sent: number;
  waiting: TokensEvent | null;
}

export class TokenBatches {
  readonly #answers = new Map<NodeJob, Answer>();
  readonly #emit: (event: JobEvent) => void;

  constructor(emit: (event: JobEvent) => void) {
    this.#emit = emit;
  }

  /** @param position of the token in the answer */
  push(job: NodeJob, position: number, { token, logprobs }: Choice): void {
    let answer = this.#answers.get(job);
    if (!answer) {
      answer = { sent: Number.NEGATIVE_INFINITY, waiting: null };
      this.#answers.set(job, answer);
    }
    const { requestId, attempt } = job;
    answer.waiting ??= { type: 'tokens', requestId, attempt, position, tokens: [] };
    const { waiting } = answer;
    waiting.tokens.push(token);
    if (logprobs) {
      waiting.logprobs ??= [];
      waiting.logprobs.push(rounded(logprobs));
    }
    const full =
      logprobs && (waiting.tokens.length + 1) * (logprobs.top.length + 1) > BATCH_LOGPROBS;
    if (full || performance.now() - answer.sent >= BATCH_MS) this.#send(answer);
  }

  /** Sends what waits, of all answers. */
  flush(): void {
    for (const answer of this.#answers.values()) this.#send(answer);
  }

  /** Sends what waits of an answer and forgets it. */
  end(job: NodeJob): void {
    const answer = this.#answers.get(job);
    if (answer) this.#send(answer);
    this.#answers.delete(job);
  }

  #send(answer: Answer): void {
    if (!answer.waiting) return;
    this.#emit(answer.waiting);
    answer.waiting = null;
    answer.sent = performance.now();
  }
}

/** To the millionth: all digits of a double were half of an event's bytes. */
const round = (logprob: number) => Math.round(logprob * 1e6) / 1e6;
const rounded = ({ logprob, top }: TokenLogprobs): TokenLogprobs => ({
  logprob: round(logprob),
  top: top.map(([id, value]) => [id, round(value)]),
});
