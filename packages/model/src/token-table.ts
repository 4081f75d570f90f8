/** What each token id stands for, in bytes: the side of tokenizer.json that reading answers needs. */
import { z } from 'zod';
import { ModelError } from './errors.ts';

/** Ids in the largest published vocabularies reach 2^18; the bound is on the array that we allocate. */
const MAX_TOKEN_ID = 1 << 22;

const Id = z.number().int().min(0).max(MAX_TOKEN_ID);
const Shape = z.object({
  model: z.object({ type: z.literal('BPE'), vocab: z.record(z.string(), Id) }),
  added_tokens: z
    .array(z.object({ id: Id, content: z.string().min(1), special: z.boolean().default(false) }))
    .default([]),
  decoder: z.object({ type: z.string() }).nullish(),
});

export interface TokenTable {
  /** Highest id + 1. Ids in between may have no token. */
  size: number;
  /** Bytes of a token of the vocabulary; undefined for added tokens and for ids without one. */
  bytes(id: number): Uint8Array | undefined;
  /** Text of an added token, which always is whole characters. */
  added(id: number): { content: string; special: boolean } | undefined;
  idOf(token: string): number | undefined;
}

/**
 * Byte-level BPE writes each byte as one printable character: the printable ones of Latin-1 as
 * themselves, the other 68 as U+0100 and up, in order (GPT-2's table).
 */
function byteOfCharacter(): Map<string, number> {
  const table = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return table;
}

/** @throws ModelError TOKENIZER_INVALID, also for any other decoder than byte-level BPE */
export function tokenTable(tokenizer: unknown): TokenTable {
  const parsed = Shape.safeParse(tokenizer);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.').slice(0, 200) ?? '';
    throw invalid(`${field}: ${issue?.message ?? 'malformed'}`);
  }
  const { model, added_tokens: addedTokens, decoder } = parsed.data;
  if (decoder?.type !== 'ByteLevel') {
    throw invalid(`decoder ${decoder?.type ?? 'null'}; only byte-level BPE is served`);
  }
  const texts: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) texts[id] = token;
  const added = new Map(addedTokens.map((token) => [token.id, token]));
  const ids = new Map(addedTokens.map(({ content, id }) => [content, id]));
  const characters = byteOfCharacter();
  // Now, and not when an answer first has the token: that would be in the middle of serving.
  for (const [token, id] of Object.entries(model.vocab)) {
    if (!added.has(id)) checkEntry(token, characters);
  }
  const cache = new Map<number, Uint8Array>();
  return {
    size: addedTokens.reduce((size, { id }) => Math.max(size, id + 1), texts.length),
    added: (id) => added.get(id),
    idOf: (token) =>
      ids.get(token) ?? (Object.hasOwn(model.vocab, token) ? model.vocab[token] : undefined),
    bytes(id) {
      const text = added.has(id) ? undefined : texts[id];
      if (text === undefined) return undefined;
      const known = cache.get(id);
      if (known) return known;
      const bytes = toBytes(text, characters);
      cache.set(id, bytes);
      return bytes;
    },
  };
}

function checkEntry(text: string, characters: Map<string, number>): void {
  for (let i = 0; i < text.length; i++) {
    if (characters.has(text[i]!)) continue;
    throw invalid(`vocabulary entry ${JSON.stringify(text.slice(0, 100))}`);
  }
}

/** Of an entry that was checked. */
const toBytes = (text: string, characters: Map<string, number>): Uint8Array =>
  Uint8Array.from(text, (character) => characters.get(character)!);

const invalid = (what: string) =>
  new ModelError('TOKENIZER_INVALID', { what }, `tokenizer.json cannot be used: ${what}.`);
