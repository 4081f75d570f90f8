/** Log-probabilities of an answer's tokens, in the shapes that OpenAI's clients know. */
import type { Tokenizer } from '@blyan/model/tokenizer';
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { ChatLogprobs, CompletionLogprobs, LikelyToken } from '@blyan/protocol/openai';
import type { TokenLogprobs } from '@blyan/protocol/sampling';

export interface ShownToken extends TokenLogprobs {
  id: number;
}

/** Holds tokens back until their text is out. Must see an answer from its first entry on. */
export class ShownTokens {
  readonly #waiting = new Map<number, ShownToken>();

  /** Those that are shown with this event, in order. */
  take(event: Extract<AnswerEvent, { type: 'tokens' | 'finish' }>): ShownToken[] {
    if (event.type === 'tokens') {
      event.logprobs?.forEach((logprobs, i) => {
        this.#waiting.set(event.position + i, { id: event.tokens[i] ?? 0, ...logprobs });
      });
    }
    return (event.shown ?? []).flatMap((position) => {
      const token = this.#waiting.get(position);
      this.#waiting.delete(position);
      return token ? [token] : [];
    });
  }
}

/** Text of a token alone, or its bytes as `\\xe2\\x80`, because a character may span several tokens. */
export function textOf(id: number, tokenizer: Tokenizer): { token: string; bytes: number[] } {
  const bytes = tokenizer.bytes(id) ?? new TextEncoder().encode(tokenizer.added(id)?.content ?? '');
  let token: string;
  try {
    token = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    token = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  }
  return { token, bytes: [...bytes] };
}

function likely(id: number, logprob: number, tokenizer: Tokenizer): LikelyToken {
  const { token, bytes } = textOf(id, tokenizer);
  return { token, logprob, bytes };
}

export function chatLogprobs(shown: ShownToken[], tokenizer: Tokenizer): ChatLogprobs {
  const content = shown.map(({ id, logprob, top }) => ({
    ...likely(id, logprob, tokenizer),
    top_logprobs: top.map(([other, value]) => likely(other, value, tokenizer)),
  }));
  return { content, refusal: null };
}

/** Counts the text of one answer, so that each token has its place in it. */
export class CompletionTokens {
  readonly #tokenizer: Tokenizer;
  readonly #text: ReturnType<Tokenizer['detokenizer']>;
  #length = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#text = tokenizer.detokenizer();
  }

  /** The next tokens of the answer. */
  logprobs(shown: ShownToken[]): CompletionLogprobs {
    const name = (id: number) => textOf(id, this.#tokenizer).token;
    return {
      tokens: shown.map(({ id }) => name(id)),
      token_logprobs: shown.map(({ logprob }) => logprob),
      top_logprobs: shown.map(({ top }) =>
        // Of two tokens with one text the likelier one is kept, which is the first.
        Object.fromEntries(top.map(([id, value]) => [name(id), value] as const).reverse()),
      ),
      text_offset: shown.map(({ id }) => {
        const offset = this.#length;
        this.#length += this.#text.push([id]).length;
        return offset;
      }),
    };
  }
}
