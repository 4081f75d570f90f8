/** What the OpenAI-compatible API does with parameters of sampling, on the running product. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { readEvents } from './support.ts';

/** Registers the tests. @param post sends a body to a path of the product */
export function samplingTests(post: (path: string, body: unknown) => Promise<Response>): void {
  describe('sampling, as OpenAI clients ask for it', () => {
    const QUESTION = { messages: [{ role: 'user', content: 'What is Blyan?' }], max_tokens: 40 };
    /** The embedded model is sure of its answers, and recommends filters. */
    const HOT = { temperature: 2, top_k: 0, top_p: 1 };
    interface Token {
      token: string;
      logprob: number;
      bytes: number[];
      top_logprobs: Token[];
    }
    interface Choice {
      index: number;
      message: { content: string };
      logprobs: { content: Token[] } | null;
      finish_reason: string;
    }
    const complete = async (body: object): Promise<{ choices: Choice[]; usage: object }> => {
      const response = await post('/v1/chat/completions', { ...QUESTION, ...body });
      expect(response.status).toBe(200);
      return response.json();
    };
    const contentOf = async (body: object) => (await complete(body)).choices[0]!.message.content;
    const chunksOf = async (path: string, body: object) => {
      const events = await readEvents(await post(path, { ...body, stream: true }));
      expect(events.pop()!.data).toBe('[DONE]');
      return events.flatMap(({ data }) => JSON.parse(data).choices);
    };
    let vocab: Record<string, number>;
    beforeAll(async () => {
      const url = new URL('../../../../models/blyan-guide/tokenizer.json', import.meta.url);
      vocab = JSON.parse(await readFile(url, 'utf8')).model.vocab;
    });
    const idOf = (token: string): number => vocab[token.replaceAll(' ', '\u0120')]!;
    const text = (tokens: Token[]) =>
      Buffer.from(tokens.flatMap(({ bytes }) => bytes)).toString('utf8');

    test('log-probabilities, streamed and not', async () => {
      const body = { temperature: 0, logprobs: true, top_logprobs: 3 };
      const [choice] = (await complete(body)).choices;
      const { content } = choice!.logprobs!;
      expect(text(content)).toBe(choice!.message.content);
      for (const { token, logprob, top_logprobs: top } of content) {
        expect(top).toHaveLength(3);
        // Greedy: the likeliest one.
        expect(top[0]).toMatchObject({ token, logprob });
        const sum = top.reduce((all, other) => all + Math.exp(other.logprob), 0);
        expect(sum).toBeLessThanOrEqual(1 + 1e-5);
        expect(top.map((other) => -other.logprob)).toEqual(
          top.map((other) => -other.logprob).sort((a, b) => a - b),
        );
      }
      const chunks = await chunksOf('/v1/chat/completions', { ...QUESTION, ...body });
      expect(chunks.flatMap(({ logprobs }) => logprobs?.content ?? [])).toEqual(content);
      expect(chunks.map(({ delta }) => delta.content ?? '').join('')).toBe(choice!.message.content);
      // They cost no token, and are not there unless asked for.
      const bare = (await complete({ temperature: 0 })).choices[0]!;
      expect(bare).toEqual({ ...choice, logprobs: null });
    });

    test('a stop string takes its log-probabilities with it', async () => {
      const whole = await contentOf({ temperature: 0 });
      const stop = whole.slice(12, 17);
      const cut = (await complete({ temperature: 0, stop, logprobs: true })).choices[0]!;
      expect(cut.message.content).toBe(whole.slice(0, whole.indexOf(stop)));
      const told = text(cut.logprobs!.content);
      expect(cut.message.content.startsWith(told)).toBe(true);
      expect(cut.message.content.length - told.length).toBeLessThan(12);
    });

    test('n choices are those of n seeds, streamed and not', async () => {
      const body = { ...HOT, n: 3, seed: 11, max_tokens: 24 };
      const { choices, usage } = await complete(body);
      expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
      const texts = choices.map(({ message }) => message.content);
      const alone = await Promise.all(
        [11, 12, 13].map((seed) => complete({ ...body, n: 1, seed })),
      );
      expect(texts).toEqual(alone.map((one) => one.choices[0]!.message.content));
      const written = alone
        .map((one) => (one.usage as { completion_tokens: number }).completion_tokens)
        .reduce((sum, tokens) => sum + tokens);
      expect(new Set(texts).size).toBe(3);
      expect(usage).toMatchObject({ completion_tokens: written });
      const chunks = await chunksOf('/v1/chat/completions', { ...QUESTION, ...body });
      const streamed = [0, 1, 2].map((index) => chunks.filter((chunk) => chunk.index === index));
      expect(streamed.map((own) => own.map(({ delta }) => delta.content ?? '').join(''))).toEqual(
        texts,
      );
      expect(chunks.filter(({ finish_reason }) => finish_reason !== null)).toHaveLength(3);
    });

    test('logit_bias forbids and forces a token', async () => {
      const greedy = { temperature: 0, max_tokens: 8, logprobs: true };
      const [first] = (await complete(greedy)).choices[0]!.logprobs!.content;
      const without = await complete({ ...greedy, logit_bias: { [idOf(first!.token)]: -100 } });
      const other = without.choices[0]!.logprobs!.content;
      expect(other.map(({ token }) => token)).not.toContain(first!.token);
      expect(other[0]!.logprob).toBeLessThan(first!.logprob);
      const forced = await contentOf({ ...greedy, logit_bias: { [idOf(' the')]: 100 } });
      expect(forced).toBe(' the'.repeat(8));
    });

    test('penalties change what is said, the same for the same seed', async () => {
      const words = [' the', ' a', ' of'];
      const forced = {
        logit_bias: Object.fromEntries(words.map((word) => [idOf(word), 50])),
        temperature: 0,
        max_tokens: 12,
      };
      const counts = async (more: object) => {
        const said = await contentOf({ ...forced, ...more });
        return words.map((word) => said.split(word).length - 1).sort((a, b) => b - a);
      };
      const [plainly, byFrequency, byRepetition] = await Promise.all(
        [{}, { frequency_penalty: 2 }, { repetition_penalty: 2 }].map(counts),
      );
      const [most, , least] = plainly!;
      // Each time makes a word less likely, until all are said as often.
      const [more, , fewer] = byFrequency!;
      expect(more! - fewer!).toBeLessThan(most! - least!);
      // Half of a logit of 50 and more is lost at once.
      expect(byRepetition![2]).toBeGreaterThan(0);

      const hot = { ...HOT, seed: 5 };
      const plain = await contentOf(hot);
      for (const penalty of ['repetition_penalty', 'presence_penalty', 'frequency_penalty']) {
        const body = { ...hot, [penalty]: 1.8 };
        const [said, again] = await Promise.all([contentOf(body), contentOf(body)]);
        expect(said).not.toBe(plain);
        expect(again).toBe(said);
      }
    });

    test('a stop token ends the answer before it', async () => {
      const greedy = { temperature: 0, logprobs: true };
      const { content } = (await complete(greedy)).choices[0]!.logprobs!;
      const { token } = content[5]!;
      const end = content.findIndex((other) => other.token === token);
      const cut = (await complete({ ...greedy, stop_token_ids: [idOf(token)] })).choices[0]!;
      expect(cut.finish_reason).toBe('stop');
      expect(cut.logprobs!.content).toEqual(content.slice(0, end));
      expect(cut.message.content).toBe(text(content.slice(0, end)));
    });

    test('prompts of one request are answered like each alone, choices in their order', async () => {
      const body = { ...HOT, seed: 3, max_tokens: 12, n: 2 };
      const prompts = ['Blyan is', 'A block', 'The chain'];
      const ask = async (prompt: unknown) => {
        const response = await post('/v1/completions', { ...body, prompt });
        expect(response.status).toBe(200);
        return (await response.json()) as {
          choices: { index: number; text: string }[];
          usage: { prompt_tokens: number; completion_tokens: number };
        };
      };
      const { choices, usage } = await ask(prompts);
      expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
      const texts = choices.map(({ text }) => text);
      const alone = await Promise.all(prompts.map(ask));
      expect(texts).toEqual(alone.flatMap((one) => one.choices.map((choice) => choice.text)));
      const sum = (field: 'prompt_tokens' | 'completion_tokens') =>
        alone.reduce((all, one) => all + one.usage[field], 0);
      expect(usage).toMatchObject({
        prompt_tokens: sum('prompt_tokens'),
        completion_tokens: sum('completion_tokens'),
      });

      const streamed = await readEvents(
        await post('/v1/completions', {
          ...{ ...body, prompt: prompts, stream: true },
          stream_options: { include_usage: true },
        }),
      );
      expect(streamed.pop()!.data).toBe('[DONE]');
      const chunks = streamed.map(({ data }) => JSON.parse(data));
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
      const parts = chunks.flatMap((chunk) => chunk.choices);
      const together = texts.map((_, index) =>
        parts.filter((part) => part.index === index).map((part) => part.text),
      );
      expect(together.map((own) => own.join(''))).toEqual(texts);

      const ids = [[idOf('The'), idOf(' chain')], [idOf('The')]];
      expect((await ask(ids)).choices).toHaveLength(4);
    });

    test('older completions go on with a text', async () => {
      const body = { prompt: 'Blyan is', temperature: 0, max_tokens: 12, logprobs: 2 };
      const completion = await (await post('/v1/completions', body)).json();
      expect(completion).toMatchObject({ object: 'text_completion', model: 'blyan-guide' });
      const [{ text: whole, logprobs }] = completion.choices;
      expect(logprobs.tokens.join('')).toBe(whole);
      expect(logprobs.top_logprobs[0][logprobs.tokens[0]]).toBe(logprobs.token_logprobs[0]);
      logprobs.tokens.forEach((token: string, i: number) => {
        expect(whole.startsWith(token, logprobs.text_offset[i])).toBe(true);
      });
      const chunks = await chunksOf('/v1/completions', body);
      expect(chunks.map((chunk) => chunk.text).join('')).toBe(whole);
      const streamed = chunks.flatMap((chunk) => chunk.logprobs?.text_offset ?? []);
      expect(streamed).toEqual(logprobs.text_offset);
    });
  });
}
