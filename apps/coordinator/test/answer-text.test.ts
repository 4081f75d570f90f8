/** Text that is certain, of tokens that are pieces of bytes: any text, cut anywhere. */
import { StreamingDetokenizer } from '@blyan/model/detokenizer';
import { NEUTRAL, type SamplingParams, type TokenLogprobs } from '@blyan/protocol/sampling';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Answer } from '../src/answer.ts';
import { AnswerText } from '../src/answer-text.ts';
import type { ServedModel } from '../src/served-model.ts';
import { evenPlan } from './even-plan.ts';

const OPEN = 1000;
const CLOSE = 1001;
const STOP = 1002;
const ADDED = new Map([
  [OPEN, { content: '<think>', special: false }],
  [CLOSE, { content: '</think>', special: false }],
  [STOP, { content: '<|end|>', special: true }],
]);

/** Token i is the i-th piece. */
const detokenizerOf = (pieces: Uint8Array[]) =>
  new StreamingDetokenizer({
    size: pieces.length,
    bytes: (id) => pieces[id],
    added: (id) => ADDED.get(id),
    idOf: () => undefined,
  });

/** Bytes cut into pieces of 1 to 4. */
function cut(bytes: Uint8Array, sizes: number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = sizes[pieces.length % sizes.length]!;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const character = fc.constantFrom('a', 'b', 'ab', 'é', '한', '😀', '😁', '\0', '.');
const texts = fc.array(character, { maxLength: 30 }).map((parts) => parts.join(''));
const stops = fc.array(
  fc.array(character, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  { maxLength: 4 },
);
const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 });

/** UTF-16 units of the text that end with or behind byte `end`, in whole characters. */
function unitsUpTo(text: string, end: number): number {
  let bytes = 0;
  let units = 0;
  for (const char of text) {
    if (bytes >= end) break;
    bytes += new TextEncoder().encode(char).length;
    units += char.length;
  }
  return units;
}

test('the text up to the first stop string, nothing early, nothing late, nothing of the rest', () => {
  fc.assert(
    fc.property(texts, stops, sizes, (text, given, cuts) => {
      const readable = text.replaceAll('\0', '\ufffd');
      const pieces = cut(new TextEncoder().encode(text), cuts);
      const answer = new AnswerText({
        detokenizer: detokenizerOf(pieces),
        stops: given,
        thinking: null,
        inThinking: false,
      });
      const prefix = new TextDecoder('utf-8', { ignoreBOM: true });
      let certain = '';
      let out = '';
      let bytes = 0;
      let last: number | null = null;
      const ends: number[] = [];
      const shown: number[] = [];
      for (const [i, piece] of pieces.entries()) {
        answer.push(i, i);
        out += answer.take();
        shown.push(...answer.takeShown());
        certain += prefix.decode(piece, { stream: true }).replaceAll('\0', '\ufffd');
        bytes += piece.length;
        ends.push(unitsUpTo(readable, bytes));
        // Bytes of NUL and of its replacement differ; only texts without one have these ends.
        const found = given.map((stop) => certain.indexOf(stop)).filter((at) => at >= 0);
        expect(answer.stopped).toBe(found.length > 0);
        if (found.length > 0) {
          last = Math.min(...found);
          expect(out).toBe(certain.slice(0, last));
          break;
        }
        const held = certain.slice(out.length);
        expect(out).toBe(certain.slice(0, out.length));
        expect(held === '' || given.some((stop) => stop !== held && stop.startsWith(held))).toBe(
          true,
        );
        if (!text.includes('\0')) {
          expect(shown).toEqual(ends.flatMap((end, token) => (end <= out.length ? [token] : [])));
        }
      }
      out += answer.flush();
      shown.push(...answer.takeShown());
      expect(out).toBe(last === null ? readable : readable.slice(0, last));
      if (!text.includes('\0')) {
        expect(shown).toEqual(ends.flatMap((end, token) => (end <= out.length ? [token] : [])));
      }
    }),
    { numRuns: 500 },
  );
});

const model: ServedModel = {
  hash: '00'.repeat(32),
  name: 'm',
  genesis: '00'.repeat(32),
  block: { chain: 'A', height: 1, hash: '00'.repeat(32) },
  layerBlocks: [],
  vocab: 2000,
  layers: 1,
  context: 500,
  stopTokens: new Set([STOP]),
  thinking: { open: OPEN, close: CLOSE },
  plan: evenPlan(1),
  // A byte a token.
  detokenizer: () => detokenizerOf(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))),
};

function answerOf(
  params: Partial<SamplingParams> = {},
  stop: string[] = [],
  prompt = [1],
  continues = 0,
): Answer {
  const all = { ...NEUTRAL, maxTokens: 100, seed: 1, ...params };
  const now = { createdAt: 0, deadline: 0, startedAt: null };
  return new Answer(
    { id: 'r', prompt, continues, params: all, stop, attempt: 0, segments: [], ...now },
    model,
  );
}

const idsOf = (text: string): number[] => [...new TextEncoder().encode(text)];

test('an answer that goes on completes the character in which it was cut', () => {
  const text = 'é한😀, he said';
  const ids = idsOf(text);
  for (let cut = 1; cut < ids.length; cut++) {
    const first = answerOf();
    first.accept({ tokens: ids.slice(0, cut) }, 0);
    first.flush();
    const rest = answerOf({}, [], [1, ...ids.slice(0, cut)], cut);
    rest.accept({ tokens: ids.slice(cut) }, 0);
    rest.flush();
    expect(first.text.replace(/\ufffd+$/, '') + rest.text, `cut at ${cut}`).toBe(text);
  }
});

describe('the thinking part', () => {
  /** What comes of batches: thinking and text, as sent out and at the end. */
  function split(batches: number[][], prompt?: number[], stop?: string[]) {
    const answer = answerOf({}, stop, prompt);
    const events = batches.map((tokens) => answer.accept({ tokens }, 0).event);
    return {
      each: events.map(({ thinking, text }) => [thinking ?? '', text]),
      rest: answer.flush().text,
    };
  }
  const all = ({ each, rest }: ReturnType<typeof split>) => [
    each.map(([thinking]) => thinking).join(''),
    each.map(([, text]) => text).join('') + rest,
  ];

  test('with tags that come alone', () => {
    const batches = [[OPEN], idsOf('hm'), [CLOSE], idsOf('Hi'), [STOP]];
    expect(split(batches).each).toEqual([
      ['', ''],
      ['hm', ''],
      ['', ''],
      ['', 'Hi'],
      ['', ''],
    ]);
  });

  test('in one batch with all the rest', () => {
    const batch = [...idsOf('A'), OPEN, ...idsOf('hm'), CLOSE, ...idsOf('Hi')];
    expect(split([batch]).each).toEqual([['hm', 'AHi']]);
  });

  test('that is never closed is no text', () => {
    const unclosed = split([[OPEN, ...idsOf('hm, 😀').slice(0, -1)]]);
    expect(unclosed.each).toEqual([['hm, ', '']]);
    expect(all(split([idsOf('still')], [1, OPEN]))).toEqual(['still', '']);
  });

  test('is opened and closed by tokens, not by what is written', () => {
    const written = idsOf('<think>no</think> yes');
    expect(all(split([written]))).toEqual(['', '<think>no</think> yes']);
    expect(all(split([[OPEN, ...idsOf('a</think>b'), CLOSE, ...idsOf('<think>c')]]))).toEqual([
      'a</think>b',
      '<think>c',
    ]);
    // A second opening token inside, or a closing one outside, turns nothing.
    expect(all(split([[OPEN, OPEN, ...idsOf('a'), CLOSE, CLOSE, ...idsOf('b')]]))).toEqual([
      '<think>a',
      '</think>b',
    ]);
  });

  test('however it is cut into batches', () => {
    const tokens = [OPEN, ...idsOf('naïve 😀'), CLOSE, ...idsOf('é STOP'), OPEN, 65, CLOSE];
    fc.assert(
      fc.property(sizes, (cuts) => {
        const batches: number[][] = [];
        for (let at = 0; at < tokens.length; ) {
          const size = cuts[batches.length % cuts.length]!;
          batches.push(tokens.slice(at, at + size));
          at += size;
        }
        expect(all(split(batches))).toEqual(['naïve 😀A', 'é STOP']);
        expect(all(split(batches, [1], ['naïve', 'STO']))).toEqual(['naïve 😀', 'é ']);
      }),
    );
  });
});

describe('log-probabilities', () => {
  const logprobsOf = (ids: number[]): TokenLogprobs[] =>
    ids.map((id) => ({ logprob: -id / 1000, top: [] }));
  const accept = (answer: Answer, tokens: number[]) =>
    answer.accept({ tokens, logprobs: logprobsOf(tokens) }, 0);

  test('are kept with their tokens, and told of when these are out', () => {
    const answer = answerOf({ logprobs: 0 }, ['STOP']);
    const first = accept(answer, idsOf('aS')).event;
    expect(first).toMatchObject({ text: 'a', logprobs: logprobsOf(idsOf('aS')), shown: [0] });
    expect(accept(answer, idsOf('T')).event).toMatchObject({ text: '', shown: [] });
    expect(accept(answer, idsOf('b')).event).toMatchObject({ text: 'STb', shown: [1, 2, 3] });
    const { event, end } = accept(answer, idsOf('cSTOPd'));
    expect({ event, end }).toMatchObject({ event: { text: 'c', shown: [4] }, end: 'stop string' });
    // Behind the end nothing is kept; the stop string's tokens are, for a replay.
    expect(event.logprobs).toEqual(logprobsOf(idsOf('cSTOP')));
    expect(answer.flush()).toEqual({ text: '', shown: [] });
  });

  test('of held text come at the end; of thinking, tags and stop tokens never', () => {
    const answer = answerOf({ logprobs: 0 }, ['STOP']);
    const thought = accept(answer, [OPEN, ...idsOf('hm'), CLOSE, ...idsOf('ST'), STOP]);
    expect(thought).toMatchObject({ end: 'stop token', event: { shown: [], thinking: 'hm' } });
    expect(answer.flush()).toEqual({ text: 'ST', shown: [4, 5] });
  });

  test('of a character are told when it is whole, or known to be none', () => {
    const answer = answerOf({ logprobs: 0 });
    const [a, b, c] = idsOf('한');
    expect(accept(answer, [a!, b!]).event).toMatchObject({ text: '', shown: [] });
    expect(accept(answer, [c!]).event).toMatchObject({ text: '한', shown: [0, 1, 2] });
    expect(accept(answer, [a!, 65]).event).toMatchObject({ text: '\ufffdA', shown: [3, 4] });
    expect(accept(answer, [a!]).event).toMatchObject({ text: '', shown: [] });
    expect(answer.flush()).toEqual({ text: '\ufffd', shown: [5] });
  });

  test('are as they were for a coordinator that was restarted', () => {
    const [before, after] = [0, 1].map(() => answerOf({ logprobs: 0 }, ['STOP']));
    const { event } = accept(before!, idsOf('aST'));
    expect(after!.restore(event)).toBeNull();
    expect(accept(after!, idsOf('x')).event).toEqual(accept(before!, idsOf('x')).event);
  });

  test('that nobody asked for leave no trace', () => {
    const { event } = answerOf().accept({ tokens: idsOf('ab') }, 0);
    expect(event).toEqual({ type: 'tokens', position: 0, tokens: idsOf('ab'), text: 'ab' });
    expect(answerOf().flush()).toEqual({ text: '' });
  });
});

test('stop tokens of the request end an answer like those of the model', () => {
  const answer = answerOf({ stopTokens: [66, STOP] });
  expect(answer.stopTokens).toEqual([STOP, 66]);
  const { event, end } = answer.accept({ tokens: idsOf('aBc') }, 0);
  expect({ event, end }).toMatchObject({
    end: 'stop token',
    event: { tokens: [97, 66], text: 'a' },
  });
});
