/** The tokens of an answer with what the model thought of each: from its stream, while there is one. */
import { toHex } from '@blyan/chain/hex';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';
import { ShownTokens, textOf } from './logprobs.ts';

export interface SeenToken {
  text: string;
  /** 0 to 1. */
  probability: number;
  /** The likeliest at this place, most likely first; the chosen one need not be among them. */
  top: { text: string; probability: number }[];
}

/** More than a page can show; the rest is counted. */
const MAX_TOKENS = 4000;

/**
 * `none`: they were not asked for. `expired`: the stream is gone.
 * @throws ApiError 404 when there is no such answer
 */
export async function tokensOf(
  id: string,
  ctx: Context,
): Promise<{ kind: 'none' | 'expired' } | { kind: 'tokens'; tokens: SeenToken[]; left: number }> {
  const row = await ctx.db.request.findUnique({
    where: { id },
    select: { model: true, params: true },
  });
  if (!row) throw notFound('answer_not_found', 'There is no answer with this id.', 'id');
  const { logprobs } = row.params as { logprobs?: number | null };
  if (logprobs == null) return { kind: 'none' };
  const entries = await ctx.answers.read(id);
  const hash = toHex(row.model);
  const listed = (await ctx.models.list()).find((model) => model.hash === hash);
  if (entries.length === 0 || !listed) return { kind: 'expired' };
  const { tokenizer } = await ctx.models.load(listed);
  const shown = new ShownTokens();
  const all = entries.flatMap(({ event }) =>
    event.type === 'tokens' || event.type === 'finish' ? shown.take(event) : [],
  );
  const text = (token: number) => textOf(token, tokenizer).token;
  const tokens = all.slice(0, MAX_TOKENS).map((token) => ({
    text: text(token.id),
    probability: Math.exp(token.logprob),
    top: token.top.map(([other, logprob]) => ({
      text: text(other),
      probability: Math.exp(logprob),
    })),
  }));
  return { kind: 'tokens', tokens, left: all.length - tokens.length };
}
