/** Text to token ids and back, from the checkpoint's own tokenizer.json. */
import { Tokenizer as Encoder } from '@huggingface/tokenizers';
import { z } from 'zod';
import { type DetokenizerOptions, StreamingDetokenizer } from './detokenizer.ts';
import { ModelError } from './errors.ts';
import type { ModelFiles } from './files.ts';
import { textBound } from './text-bound.ts';
import { invalidTokenizer } from './token-decoder.ts';
import { type TokenTable, tokenTable } from './token-table.ts';

export interface Tokenizer extends TokenTable {
  /** Adds no special tokens of its own; those written out in the text become their ids. */
  encode(text: string): number[];
  /** The fewest tokens that a text can have, without encoding it; 0 where nothing is certain. */
  atLeast(text: string): number;
  /** Special tokens are left out unless asked for. */
  decode(ids: readonly number[], options?: DetokenizerOptions): string;
  /** A fresh one per answer. */
  detokenizer(options?: DetokenizerOptions): StreamingDetokenizer;
}

/** @throws ModelError FILE_MISSING, TOKENIZER_INVALID */
export function createTokenizer(
  files: Pick<ModelFiles, 'tokenizer' | 'tokenizerConfig'>,
): Tokenizer {
  if (files.tokenizer === null) {
    throw new ModelError('FILE_MISSING', { path: 'tokenizer.json' }, 'There is no tokenizer.json.');
  }
  const table = tokenTable(files.tokenizer);
  checkEncoding(files.tokenizer);
  const encoder = createEncoder(files.tokenizer, files.tokenizerConfig);
  const detokenizer = (options?: DetokenizerOptions) => new StreamingDetokenizer(table, options);
  return {
    ...table,
    detokenizer,
    atLeast: textBound(files.tokenizer, files.tokenizerConfig),
    encode(text) {
      const { ids } = encoder.encode(text, { add_special_tokens: false });
      // The library gives `undefined` for what it cannot encode; ids must be ids.
      for (const id of ids) {
        if (!Number.isInteger(id)) {
          throw new ModelError('TOKENIZER_INVALID', { what: 'text' }, 'The text has no token ids.');
        }
      }
      return ids;
    },
    decode(ids, options) {
      const streaming = detokenizer(options);
      return streaming.push(ids) + streaming.flush();
    },
  };
}

const Metaspace = z.object({
  type: z.literal('Metaspace'),
  split: z.boolean().default(true),
  add_prefix_space: z.boolean().default(true),
  prepend_scheme: z.string().default('always'),
});
const Cutting = z.object({
  pre_tokenizer: z.union([
    Metaspace.transform((step) => [step]),
    z
      .object({ type: z.literal('Sequence'), pretokenizers: z.array(z.unknown()) })
      .transform(({ pretokenizers: steps }) =>
        steps.flatMap((step) => Metaspace.safeParse(step).data ?? []),
      ),
  ]),
});

/** The encoder neither cuts texts before words nor knows `add_prefix_space`: its ids would be others. */
function checkEncoding(tokenizer: object): void {
  for (const step of Cutting.safeParse(tokenizer).data?.pre_tokenizer ?? []) {
    if (step.split) throw invalidTokenizer('pre_tokenizer Metaspace with split');
    if (!step.add_prefix_space && step.prepend_scheme !== 'never') {
      throw invalidTokenizer('pre_tokenizer Metaspace without add_prefix_space');
    }
  }
}

function createEncoder(tokenizer: object, config: object): Encoder {
  try {
    return new Encoder(tokenizer, config);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message.slice(0, 300) : 'unknown reason';
    throw new ModelError(
      'TOKENIZER_INVALID',
      { what },
      `tokenizer.json cannot be used: ${what}`,
      cause,
    );
  }
}
