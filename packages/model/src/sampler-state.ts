/**
 * The choices of one answer, token after token. What a request changes about the model's logits is
 * done here, in this order, each on what the one before left:
 *
 * 1. logit_bias: logit + bias of that token.
 * 2. repetition_penalty r, for each token of prompt or answer: logit / r above zero, logit * r below
 *    (Keskar et al. 2019, as transformers has it).
 * 3. frequency_penalty f and presence_penalty p, for each token that is n > 0 times in the answer:
 *    logit - (n * f + p) (as OpenAI documents them).
 * 4. Temperature, filters, draw: sampler.ts.
 *
 * Each changed logit is computed in double precision and rounded to f32 once; one that becomes too
 * large for f32 is the largest there is. Only tokens that are named or were seen are touched, and
 * they are put back afterwards: a vocabulary is never copied, and without penalties nothing is done.
 *
 * The state follows from prompt and answer alone, so a replay elsewhere goes on with the same
 * choices. Log-probabilities are of the logits before step 1: see logprobs.ts.
 *
 * Vectors: vectors/sampler.json, made by vectors/sampler.py.
 */
import { logprobsOf, type TokenLogprobs } from './logprobs.ts';
import { type DrawParams, sample } from './sampler.ts';

/** As SamplingParams of the protocol, without what ends an answer. */
export interface SampleParams extends DrawParams {
  /** Above 0; 1 is off. */
  repetitionPenalty: number;
  /** 0 is off. */
  presencePenalty: number;
  /** 0 is off. */
  frequencyPenalty: number;
  /** Each token at most once. */
  logitBias: readonly (readonly [id: number, bias: number])[];
  /** Alternatives of which log-probabilities are wanted; null is off. */
  logprobs: number | null;
}

export interface Choice {
  token: number;
  /** Null when they were not asked for. */
  logprobs: TokenLogprobs | null;
}

const MAX_F32 = (2 - 2 ** -23) * 2 ** 127;

export class SamplerState {
  readonly #params: SampleParams;
  readonly #bias: ReadonlyMap<number, number>;
  /** Tokens of prompt and answer, each with how often it is there; null when nothing asks for it. */
  readonly #seen: Map<number, number> | null;
  /** The same, of the answer alone. */
  readonly #written: Map<number, number> | null;
  /** Of the answer, in order. */
  readonly #answer: number[] = [];
  /** Changed logits, and what they were. */
  readonly #ids: number[] = [];
  readonly #values: number[] = [];

  /** @param emitted tokens of the answer that are known already */
  constructor(params: SampleParams, prompt: readonly number[], emitted: readonly number[] = []) {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = params;
    this.#params = params;
    this.#bias = new Map(params.logitBias);
    this.#seen = repetitionPenalty === 1 ? null : new Map();
    this.#written = presencePenalty === 0 && frequencyPenalty === 0 ? null : new Map();
    if (this.#seen) for (const id of prompt) count(this.#seen, id, 1);
    for (const id of emitted) this.advance(id);
  }

  /** Of the next token in the answer, from 0. */
  get position(): number {
    return this.#answer.length;
  }

  /** Takes a token that was chosen as the answer's next one. */
  advance(token: number): void {
    this.#answer.push(token);
    if (this.#seen) count(this.#seen, token, 1);
    if (this.#written) count(this.#written, token, 1);
  }

  /** Takes the last tokens back, in time linear in their number. */
  rollback(tokens: number): void {
    for (const id of this.#answer.splice(Math.max(0, this.#answer.length - tokens))) {
      if (this.#seen) count(this.#seen, id, -1);
      if (this.#written) count(this.#written, id, -1);
    }
  }

  /**
   * Chooses the token at `position`, and does not advance.
   * @param logits [vocab], a view of any buffer: changed meanwhile, the same again afterwards
   * @throws RangeError when the largest logit is not a finite number
   */
  choose(logits: Float32Array): Choice {
    const params = this.#params;
    this.#change(logits);
    let token: number;
    try {
      token = sample(logits, params, this.position);
    } finally {
      this.#restore(logits);
    }
    const { logprobs } = params;
    return { token, logprobs: logprobs === null ? null : logprobsOf(logits, token, logprobs) };
  }

  /** Chooses and advances. */
  next(logits: Float32Array): Choice {
    const choice = this.choose(logits);
    this.advance(choice.token);
    return choice;
  }

  /**
   * What `next` alone would have chosen where a draft was run through the model: the draft as far as
   * it was right, and one token more. The state is advanced over all of them.
   * @param rows logits, each [vocab], at `position` and behind each token of the draft: one more
   *   than the draft has
   * @throws RangeError for a row as `choose` does, with the state over the tokens before
   */
  verify(rows: readonly Float32Array[], draft: readonly number[]): Choice[] {
    const choices: Choice[] = [];
    for (const [i, logits] of rows.entries()) {
      const choice = this.next(logits);
      choices.push(choice);
      if (choice.token !== draft[i]) break;
    }
    return choices;
  }

  #change(logits: Float32Array): void {
    const touched = this.#seen ?? this.#written;
    if (touched) for (const id of touched.keys()) this.#touch(logits, id);
    for (const id of this.#bias.keys()) if (!touched?.has(id)) this.#touch(logits, id);
  }

  #touch(logits: Float32Array, id: number): void {
    if (id >= logits.length) return;
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#params;
    const was = logits[id]!;
    this.#ids.push(id);
    this.#values.push(was);
    let logit = was + (this.#bias.get(id) ?? 0);
    if (this.#seen?.has(id)) {
      logit = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
    const times = this.#written?.get(id);
    if (times !== undefined) logit -= times * frequencyPenalty + presencePenalty;
    // An infinite logit of the model's own stays one: it must be noticed.
    logits[id] = logit > MAX_F32 && was <= MAX_F32 ? MAX_F32 : logit;
  }

  #restore(logits: Float32Array): void {
    this.#ids.forEach((id, i) => {
      logits[id] = this.#values[i]!;
    });
    this.#ids.length = 0;
    this.#values.length = 0;
  }
}

/** A token that is there no more has no entry. */
function count(counts: Map<number, number>, id: number, by: 1 | -1): void {
  const next = (counts.get(id) ?? 0) + by;
  if (next > 0) counts.set(id, next);
  else counts.delete(id);
}
