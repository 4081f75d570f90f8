/**
 * How few tokens a text can have, told without encoding it: what cannot fit is refused for the cost of
 * measuring it. Only for byte-level BPE, where each byte of the normalized text is in one token; all else
 * may swallow text (a normalizer that replaces, spaces stripped beside added tokens).
 */
import { z } from 'zod';

const Nothing = z.null().optional();
const ByteLevel = z.object({ type: z.literal('ByteLevel') });
/** Looked at already (token-table.ts); there are 150,000 entries in it. */
const Vocabulary = z.custom<Record<string, number>>((value) => typeof value === 'object');
const Cut = z.object({ type: z.literal('Split'), behavior: z.literal('Isolated') });
const Bounded = z.object({
  normalizer: z.object({ type: z.literal('NFC') }).or(Nothing),
  pre_tokenizer: ByteLevel.or(
    z.object({ type: z.literal('Sequence'), pretokenizers: z.array(ByteLevel.or(Cut)) }),
  ),
  decoder: ByteLevel,
  model: z.object({ vocab: Vocabulary, unk_token: Nothing }),
  added_tokens: z
    .array(
      z.object({
        content: z.string(),
        lstrip: z.literal(false).optional(),
        rstrip: z.literal(false).optional(),
      }),
    )
    .default([]),
});
/** Older models' options, by which the encoder changes the text itself. */
const Config = z.object({
  remove_space: z.literal(false).nullish(),
  do_lowercase_and_remove_accent: z.literal(false).nullish(),
});

const utf8 = new TextEncoder();

/** @returns for a text the fewest tokens that it can have; always 0 where nothing is certain */
export function textBound(tokenizer: unknown, config: unknown): (text: string) => number {
  const { data } = Bounded.safeParse(tokenizer);
  if (!data || !Config.safeParse(config).success) return () => 0;
  let longest = 1;
  // Its entries have one character for each byte.
  for (const entry of Object.keys(data.model.vocab)) longest = Math.max(longest, entry.length);
  for (const { content } of data.added_tokens)
    longest = Math.max(longest, utf8.encode(content).length);
  return (text) => {
    // Composing makes texts shorter, over the whole as over its parts.
    const normalized = data.normalizer ? text.normalize('NFC') : text;
    return Math.ceil(utf8.encode(normalized).length / longest);
  };
}
