/**
 * Checks an event of a node against what was asked of it. A node is somebody else's computer:
 * nothing that it writes reaches an answer but through here.
 */
import type { NodeEvent } from '@blyan/protocol/node';
import type { TokenLogprobs } from '@blyan/protocol/sampling';
import type { Answer } from './answer.ts';

export type AttemptEvent = Exclude<NodeEvent, { type: 'status' }>;

export type Verdict =
  /** New output ids, all in the vocabulary and exactly at the next position. */
  | { type: 'tokens'; tokens: number[]; logprobs?: TokenLogprobs[] | undefined }
  | { type: 'prefill'; done: number; total: number }
  /** `words` are ours, for readers: a node's own are for the log. */
  | { type: 'fail'; code: string; message: string; words: string; culprit: string | undefined }
  /** No node can serve it, as our own numbers say, too. */
  | { type: 'refusal'; code: 'context_length_exceeded'; message: string }
  /** True, but known already: no progress. */
  | { type: 'repeat' }
  /** Of an attempt that is not (or no longer) this node's. */
  | { type: 'stale' }
  /** What no honest node would write. */
  | { type: 'lie'; problem: string }
  /** Not as it must be; an honest node's event may have been lost. */
  | { type: 'violation'; problem: string };

const violation = (problem: string): Verdict => ({ type: 'violation', problem });
const lie = (problem: string): Verdict => ({ type: 'lie', problem });

export function checkEvent(
  answer: Answer | undefined,
  nodeId: string,
  event: AttemptEvent,
): Verdict {
  if (!answer) return { type: 'stale' };
  if (!answer.segments.some((segment) => segment.nodeId === nodeId)) {
    return lie('an event of an answer that was never its own');
  }
  if (answer.state !== 'running' || answer.running?.nodeId !== nodeId) return { type: 'stale' };
  if (event.attempt < answer.attempt) return { type: 'stale' };
  if (event.attempt > answer.attempt) {
    return lie(`attempt ${event.attempt} was never given, ${answer.attempt} is running`);
  }
  switch (event.type) {
    case 'tokens':
      return checkTokens(answer, event);
    case 'prefill': {
      const most = answer.input.prompt.length + answer.tokens.length;
      if (event.total > most || event.done > event.total) {
        return lie(`prefill of ${event.done}/${event.total} of at most ${most} tokens`);
      }
      // Nothing read yet is news, too: it waits for memory, and is alive.
      if (event.done > 0 && event.done <= answer.running.prefilled) return { type: 'repeat' };
      return { type: 'prefill', done: event.done, total: event.total };
    }
    case 'done': {
      // An answer that is complete by its tokens has ended with the last one of them.
      const count = answer.tokens.length;
      return violation(`done at ${event.count}, with ${count} tokens and no end among them`);
    }
    case 'fail':
      return refusal(answer, event) ?? failure(event);
  }
}

function failure({ code, message, culprit }: Extract<AttemptEvent, { type: 'fail' }>): Verdict {
  const words =
    code === 'KV_MEMORY_TOO_SMALL'
      ? 'has too little memory for a prompt and answer of this length; a smaller max_tokens needs less'
      : 'failed';
  return { type: 'fail', code, message, words, culprit };
}

/** What a node may say about the request itself, if it is so. Anything else is about the node. */
function refusal({ input, model }: Answer, { code }: { code: string }): Verdict | null {
  const { length } = input.prompt;
  const { maxTokens } = input.params;
  if (code !== 'context_length_exceeded' || length + maxTokens <= model.context) return null;
  const message = `the prompt has ${length} tokens and the answer may have ${maxTokens}; together at most ${model.context} fit`;
  return { type: 'refusal', code, message };
}

function checkTokens(
  answer: Answer,
  { position, tokens, logprobs }: Extract<AttemptEvent, { type: 'tokens' }>,
): Verdict {
  const next = answer.tokens.length;
  if (position > next) return violation(`position ${position}, expected ${next}`);
  const foreign = tokens.find((id) => id >= answer.model.vocab);
  if (foreign !== undefined) {
    return lie(`token ${foreign} of a vocabulary of ${answer.model.vocab}`);
  }
  const { limit } = answer;
  if (position + tokens.length > limit) {
    return lie(`${position + tokens.length} tokens, ${limit} were asked for`);
  }
  if (answer.input.params.logprobs === null && logprobs) {
    return lie('log-probabilities that were not asked for');
  }
  // An older version may send too few.
  const wrong = wrongLogprobs(answer, tokens.length, logprobs);
  if (wrong) return violation(wrong);
  // Written twice over a reconnect: harmless if it says the same.
  const known = Math.min(next - position, tokens.length);
  for (let i = 0; i < known; i++) {
    if (tokens[i] !== answer.tokens[position + i]) {
      return lie(`position ${position + i} was written before, with another token`);
    }
  }
  if (known === tokens.length) return { type: 'repeat' };
  return { type: 'tokens', tokens: tokens.slice(known), logprobs: logprobs?.slice(known) };
}

/** What is wrong with log-probabilities that the schema let through, or null. */
function wrongLogprobs(
  { input, model }: Answer,
  count: number,
  logprobs: readonly TokenLogprobs[] | undefined,
): string | null {
  const most = input.params.logprobs;
  if (most === null) return null;
  if (logprobs?.length !== count) {
    return `log-probabilities of ${logprobs?.length ?? 0} tokens, of ${count} expected`;
  }
  for (const { top } of logprobs) {
    if (top.length > most) return `${top.length} alternatives, ${most} were asked for`;
    const foreign = top.find(([id]) => id >= model.vocab);
    if (foreign) return `alternative ${foreign[0]} of a vocabulary of ${model.vocab}`;
  }
  return null;
}
