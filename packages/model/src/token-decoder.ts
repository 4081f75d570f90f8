/** The `decoder` of tokenizer.json: how entries of the vocabulary become the text of an answer. */
import { z } from 'zod';
import { ModelError } from './errors.ts';

export interface TokenDecoder {
  /** Bytes of a vocabulary entry; undefined for one that stands for none. */
  bytes(entry: string): Uint8Array | undefined;
  /** Text of an added token, whose content is whole characters. */
  text(content: string): string;
  /** Whether the text of an answer is without the one space that it may begin with. */
  stripsSpace: boolean;
}

/** Vocabularies that SentencePiece made write a space as this character, U+2581. */
const SPACE = '\u2581';
/** The longest that is served has 4; the bound is on what is parsed and named in errors. */
const MAX_STEPS = 16;

const Named = z.object({ type: z.string() });
const Steps = z.object({ type: z.literal('Sequence'), decoders: z.array(Named).max(MAX_STEPS) });

const Spaces = z.object({
  type: z.literal('Replace'),
  pattern: z.strictObject({ String: z.literal(SPACE) }),
  content: z.literal(' '),
});
const Bytes = z.object({ type: z.literal('ByteFallback') });
const Fuse = z.object({ type: z.literal('Fuse') });
const FirstSpace = z.object({
  type: z.literal('Strip'),
  content: z.literal(' '),
  start: z.literal(1),
  stop: z.literal(0),
});
const Metaspace = z.object({
  type: z.literal('Metaspace'),
  replacement: z.literal(SPACE).default(SPACE),
  prepend_scheme: z.enum(['always', 'first', 'never']).default('always'),
  /** What exports had before there was a `prepend_scheme`. */
  add_prefix_space: z.boolean().default(true),
});

const Served = z.union([
  z.object({ type: z.literal('ByteLevel') }),
  z.object({
    type: z.literal('Sequence'),
    decoders: z.union([
      z.tuple([Spaces, Bytes, Fuse, FirstSpace]),
      // Of tokenizers that add no space before the first word.
      z.tuple([Spaces, Bytes, Fuse]),
    ]),
  }),
  Metaspace,
]);

/**
 * @param byteFallback what the model of tokenizer.json says: `<0xNN>` entries are bytes
 * @throws ModelError TOKENIZER_INVALID for decoders that are not served, by name
 */
export function tokenDecoder(decoder: unknown, byteFallback: boolean): TokenDecoder {
  const served = Served.safeParse(decoder);
  if (!served.success) {
    throw invalidTokenizer(
      `decoder ${nameOf(decoder)}; byte-level BPE and SentencePiece's BPE are served`,
    );
  }
  const { data } = served;
  if (data.type === 'ByteLevel') return byteLevel();
  if (data.type === 'Metaspace') {
    return spaced(byteFallback, data.prepend_scheme !== 'never' && data.add_prefix_space);
  }
  if (!byteFallback)
    throw invalidTokenizer('decoder ByteFallback of a model without byte_fallback');
  return spaced(byteFallback, data.decoders.length === 4);
}

/**
 * Byte-level BPE writes each byte as one printable character: the printable ones of Latin-1 as
 * themselves, the other 68 as U+0100 and up, in order (GPT-2's table).
 */
function byteLevel(): TokenDecoder {
  const table = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return {
    stripsSpace: false,
    text: (content) => content,
    bytes(entry) {
      const bytes = new Uint8Array(entry.length);
      for (let i = 0; i < entry.length; i++) {
        const byte = table.get(entry[i]!);
        if (byte === undefined) return undefined;
        bytes[i] = byte;
      }
      return bytes;
    },
  };
}

function spaced(byteFallback: boolean, stripsSpace: boolean): TokenDecoder {
  const utf8 = new TextEncoder();
  const text = (content: string) => content.replaceAll(SPACE, ' ');
  return {
    stripsSpace,
    text,
    bytes(entry) {
      const byte = byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(entry)?.[1] : undefined;
      if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
      // A lone surrogate has no UTF-8.
      return /\p{Surrogate}/u.test(entry) ? undefined : utf8.encode(text(entry));
    },
  };
}

/** Of any decoder, as far as it can be named: `Sequence[Replace, Fuse]`. */
function nameOf(decoder: unknown): string {
  const steps = Steps.safeParse(decoder);
  const type = Named.safeParse(decoder);
  const name = steps.success
    ? `Sequence[${steps.data.decoders.map((step) => step.type).join(', ')}]`
    : type.success
      ? type.data.type
      : 'null';
  return name.slice(0, 200);
}

/** Says what makes a tokenizer.json unusable. */
export const invalidTokenizer = (what: string) =>
  new ModelError('TOKENIZER_INVALID', { what }, `tokenizer.json cannot be used: ${what}.`);
