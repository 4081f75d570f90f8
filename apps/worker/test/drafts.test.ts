/** Prompt lookup: which guesses are made, when it rests, and that answers are the same with it. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Drafts } from '../src/engine/drafts.ts';
import { generate } from '../src/engine/runner.ts';
import { jobOf, startLoop } from './support/loop.ts';
import { GREEDY, GUIDE, type LoadedModel, loadModel } from './support/models.ts';

/** After a plain run of 10 ms: before one there is nothing that a guess could be compared with. */
function begun(): Drafts {
  const drafts = new Drafts();
  drafts.plain(10);
  return drafts;
}

describe('Drafts', () => {
  it('guesses what followed the same ending the last time, as far as there is room', () => {
    const drafts = begun();
    expect(drafts.propose([1, 2, 3, 4, 5, 6], 8)).toEqual([]);
    expect(drafts.propose([1, 2, 3, 4, 5, 6, 2, 3], 8)).toEqual([4, 5]);
    expect(drafts.propose([1, 2, 3, 4, 5, 6, 2, 3], 1)).toEqual([4]);
    expect(drafts.propose([1, 2, 3, 4, 5, 6, 2, 3, 9, 9], 8)).toEqual([]);
  });

  it('prefers the longer ending', () => {
    const drafts = begun();
    expect(drafts.propose([1, 2, 3, 7, 7, 9, 2, 3, 8, 8, 1, 2, 3], 8)).toEqual([7, 7]);
  });

  it('guesses further while it is right, and less when it is not', () => {
    const tokens = [...Array.from({ length: 20 }, (_, i) => i), 0, 1];
    const drafts = begun();
    const length = () => drafts.propose(tokens, 20).length;
    expect(length()).toBe(2);
    drafts.checked(2, 3, 1);
    expect(length()).toBe(4);
    drafts.checked(4, 5, 1);
    drafts.checked(7, 8, 1);
    expect(length()).toBe(7);
    drafts.checked(7, 2, 1);
    expect(length()).toBe(2);
  });

  it('rests when a check takes longer than the tokens that it gives, longer each time', () => {
    const tokens = [1, 2, 3, 4, 1, 2];
    const drafts = begun();
    const rest = (ms = 20) => {
      drafts.checked(2, 1, ms);
      let runs = 0;
      while (drafts.propose(tokens, 8).length === 0) {
        drafts.plain(10);
        runs++;
      }
      return runs;
    };
    expect(rest()).toBe(16);
    expect(rest()).toBe(32);
    // Worth its time: it goes on, and starts over with its rests.
    drafts.checked(2, 3, 12);
    expect(drafts.propose(tokens, 8)).not.toEqual([]);
    expect(rest(80)).toBe(16);
  });

  it('rests, too, in a text of which every ending was there before', () => {
    // Each two of ten symbols have been neighbours: there is always a guess, and it is never right.
    const symbol = (i: number) => Math.floor(Math.abs(Math.sin(i * 12.9898) * 43758.5453)) % 10;
    const tokens = Array.from({ length: 2000 }, (_, i) => symbol(i));
    const drafts = new Drafts();
    let guesses = 0;
    let ms = 0;
    for (let run = 0; run < 300; run++) {
      const draft = drafts.propose(tokens, 8);
      if (draft.length > 0) {
        guesses++;
        ms += 30;
        drafts.checked(draft.length, 1, 30);
      } else {
        ms += 10;
        drafts.plain(10);
      }
      tokens.push(symbol(tokens.length));
    }
    // Behind the first plain run, and rests of 16, 32, 64 and 128.
    expect(guesses).toBe(5);
    expect(ms).toBe(3100);
  });
});

describe.each([undefined, 'q4'] as const)(
  'an answer of a %s model that repeats itself',
  (format) => {
    let model: LoadedModel;
    beforeAll(async () => {
      model = await loadModel(GUIDE, { slots: 2, ...(format && { format }) });
    });
    afterAll(() => model?.[Symbol.asyncDispose]());

    it.each([
      ['greedy', GREEDY],
      ['sampled', { ...GREEDY, temperature: 0.7, topP: 0.95, seed: 11 }],
      [
        'with penalties',
        { ...GREEDY, frequencyPenalty: 0.1, repetitionPenalty: 1.02, logprobs: 2 },
      ],
    ])('has the tokens that it has without guesses: %s', async (_, sampling) => {
      const sentence = [310, 511, 92, 731, 88, 1203, 45, 609];
      const prompt = [...sentence, ...sentence, ...sentence, ...sentence.slice(0, 3)];
      const params = { ...sampling, maxTokens: 90 };
      const expected = await generate(model.session, prompt, params);
      const checks = vi.spyOn(model.session, 'check');
      const { loop, tokens } = startLoop(model);
      const request = jobOf({ prompt, params });
      loop.submit(request);
      await loop.drain();
      expect(tokens(request)).toEqual(expected.tokens);
      expect(checks).toHaveBeenCalled();
      checks.mockRestore();
    });
  },
);
