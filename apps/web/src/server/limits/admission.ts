/** What a request for an answer may use: looked at before any work, and told in its headers. */
import { ApiError } from '../http/errors.ts';
import type { Caller, Callers } from './callers.ts';
import type { Place, WaitingPlaces } from './line.ts';
import type { Counted, Rates, Spent } from './rates.ts';

/** One request's part of the limits. */
export interface Admission {
  /**
   * Before a prompt is read, which costs time. @param answers that are to begin
   * @throws ApiError 400 out_of_range, 429 when no token is left, 503 when there is no room for so many
   */
  check(answers: number): Promise<void>;
  /**
   * For answers that begin now. @param tokens of the prompts and of the longest answers, of which those of
   * the prompts, `read`, count also when this is refused
   * @throws ApiError 400 out_of_range, 429
   */
  spend(use: { tokens: number; read?: number }): Promise<void>;
  /** Prompts of so many tokens were read in vain. */
  waste(tokens: number): Promise<void>;
  /** The answers' rows are written. */
  taken(): void;
  /** For the response, whichever it is. */
  headers(): Record<string, string>;
}

/** For what is no request of a user's. */
export const UNLIMITED: Admission = {
  check: async () => undefined,
  spend: async () => undefined,
  waste: async () => undefined,
  taken: () => undefined,
  headers: () => ({}),
};

export interface AdmissionDeps {
  callers: Callers;
  rates: Rates;
  places: WaitingPlaces;
}

/** Admits a request, or refuses it. @throws ApiError 401, 429, 503 */
export async function admit(
  headers: Headers,
  address: string,
  { callers, rates, places }: AdmissionDeps,
): Promise<Admission> {
  const caller = await callers.of(headers, address);
  const told: Record<string, string> = {};
  await spend('requests', { points: 1, used: 0 }, caller, { rates, told });
  const place: Place = await places.take();
  return {
    async check(answers) {
      if (answers > 1) place.grow(answers - 1);
      const { id, tokens: limit } = caller;
      if (limit === 0) return;
      const left = await rates.left('tokens', id, limit);
      if (left.ok) return;
      Object.assign(told, limitHeaders('tokens', left));
      throw refusal('tokens', left, told);
    },
    async spend({ tokens, read = 0 }) {
      await spend('tokens', { points: tokens, used: read }, caller, { rates, told });
    },
    async waste(tokens) {
      const { id, tokens: limit } = caller;
      if (limit > 0 && tokens > 0) await rates.use('tokens', id, limit, tokens);
    },
    taken: place.free,
    headers: () => told,
  };
}

async function spend(
  counted: Counted,
  { points, used }: { points: number; used: number },
  caller: Caller,
  { rates, told }: { rates: Rates; told: Record<string, string> },
): Promise<void> {
  const limit = caller[counted];
  if (limit === 0) return;
  if (points > limit) {
    if (used > 0) await rates.use(counted, caller.id, limit, used);
    throw new ApiError(
      400,
      'out_of_range',
      `The prompt and the longest answer have ${points} tokens together, and no more than ${limit} a minute are allowed: ask for fewer.`,
      { param: 'max_tokens' },
    );
  }
  const spent = await rates.spend(counted, caller.id, limit, points, used);
  Object.assign(told, limitHeaders(counted, spent));
  if (!spent.ok) throw refusal(counted, spent, told);
}

function refusal(counted: Counted, { limit, resetMs }: Spent, told: Record<string, string>) {
  const seconds = Math.max(1, Math.ceil(resetMs / 1000));
  return new ApiError(
    429,
    'rate_limit_exceeded',
    `No more than ${limit} ${counted} a minute: try again in ${seconds} s.`,
    { headers: { 'retry-after': String(seconds), ...told } },
  );
}

/** As OpenAI names them. */
function limitHeaders(counted: Counted, { limit, remaining, resetMs }: Spent) {
  return {
    [`x-ratelimit-limit-${counted}`]: String(limit),
    [`x-ratelimit-remaining-${counted}`]: String(remaining),
    [`x-ratelimit-reset-${counted}`]: `${Math.ceil(resetMs / 1000)}s`,
  };
}
