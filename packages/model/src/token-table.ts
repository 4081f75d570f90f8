/** What each token id stands for, in bytes: the side of tokenizer.json that reading answers needs. */
import { z } from 'zod';
import { invalidTokenizer, tokenDecoder } from './token-decoder.ts';

/** Ids in the largest published vocabularies reach 2^18; the bound is on the array that we allocate. */
const MAX_TOKEN_ID = 1 << 22;

const Id = z.number().int().min(0).max(MAX_TOKEN_ID);
const Shape = z.object({
  model: z.object({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), Id),
    byte_fallback: z.boolean().nullish(),
  }),
  added_tokens: z
    .array(z.object({ id: Id, content: z.string().min(1), special: z.boolean().default(false) }))
    .default([]),
  decoder: z.unknown(),
});

export interface TokenTable {
  /** Highest id + 1. Ids in between may have no token. */
  size: number;
  /** Bytes of a token of the vocabulary; undefined for added tokens and for ids without one. */
  bytes(id: number): Uint8Array | undefined;
  /** Text of an added token, which always is whole characters. */
  added(id: number): { content: string; special: boolean } | undefined;
  idOf(token: string): number | undefined;
  /** The text of an answer is without the one space that it may begin with: the first word's. */
  stripsSpace?: boolean;
}

/** @throws ModelError TOKENIZER_INVALID, also for decoders that are not served */
export function tokenTable(tokenizer: unknown): TokenTable {
  const parsed = Shape.safeParse(tokenizer);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.').slice(0, 200) ?? '';
    throw invalidTokenizer(`${field}: ${issue?.message ?? 'malformed'}`);
  }
  const { model, added_tokens: addedTokens } = parsed.data;
  const decoder = tokenDecoder(parsed.data.decoder, model.byte_fallback ?? false);
  const texts: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) texts[id] = token;
  const added = new Map(
    addedTokens.map(({ id, content, special }) => [
      id,
      { content: decoder.text(content), special },
    ]),
  );
  const ids = new Map(addedTokens.map(({ content, id }) => [content, id]));
  // Now, and not when an answer first has the token: that would be in the middle of serving.
  for (const [token, id] of Object.entries(model.vocab)) {
    if (added.has(id) || decoder.bytes(token)) continue;
    throw invalidTokenizer(`vocabulary entry ${JSON.stringify(token.slice(0, 100))}`);
  }
  const cache = new Map<number, Uint8Array>();
  return {
    size: addedTokens.reduce((size, { id }) => Math.max(size, id + 1), texts.length),
    stripsSpace: decoder.stripsSpace,
    added: (id) => added.get(id),
    idOf: (token) =>
      ids.get(token) ?? (Object.hasOwn(model.vocab, token) ? model.vocab[token] : undefined),
    bytes(id) {
      const text = added.has(id) ? undefined : texts[id];
      if (text === undefined) return undefined;
      const known = cache.get(id);
      if (known) return known;
      const bytes = decoder.bytes(text);
      if (bytes) cache.set(id, bytes);
      return bytes;
    },
  };
}
