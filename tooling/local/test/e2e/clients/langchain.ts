/** LangChain's OpenAI client, unmodified. */
import { ContextOverflowError } from '@langchain/core/errors';
import { ChatOpenAI, OpenAI } from '@langchain/openai';
import { describe, expect, test } from 'vitest';
import { type ClientContext, MODEL, refusalOf } from './support.ts';

export function langchainTests(context: ClientContext): void {
  describe('@langchain/openai', () => {
    const model = (fields: ConstructorParameters<typeof ChatOpenAI>[0] = {}) =>
      new ChatOpenAI({
        model: MODEL,
        apiKey: 'none',
        configuration: { baseURL: context.baseUrl() },
        temperature: 0,
        maxTokens: 24,
        maxRetries: 0,
        ...fields,
      });

    test('a whole answer and a stream, with usage', async () => {
      const whole = await model().invoke('Hello');
      expect(whole.text).toMatch(/\w/);
      expect(whole.usage_metadata?.output_tokens).toBeGreaterThan(0);
      let text = '';
      let usage: unknown;
      for await (const chunk of await model().stream('Hello')) {
        text += chunk.text;
        usage = chunk.usage_metadata ?? usage;
      }
      expect(text).toBe(whole.text);
      expect(usage).toMatchObject({
        input_tokens: whole.usage_metadata!.input_tokens,
        output_tokens: whole.usage_metadata!.output_tokens,
      });
    });

    test('stop, seed, n and log-probabilities', async () => {
      const { text } = await model().invoke('Hello');
      const word = text.split(' ')[2]!;
      expect((await model({ stop: [word] }).invoke('Hello')).text).toBe(
        text.slice(0, text.indexOf(word)),
      );
      const modelKwargs = { seed: 7, top_k: 0 };
      const hot = model({ temperature: 2, topP: 1, n: 2, logprobs: true, modelKwargs });
      const drawn = async () => (await hot.generate([[['human', 'Hello']]])).generations[0]!;
      const [first, second] = await drawn();
      expect(first!.text).not.toBe(second!.text);
      expect((await drawn()).map((generation) => generation.text)).toEqual([
        first!.text,
        second!.text,
      ]);
      expect(first!.generationInfo?.logprobs).toMatchObject({ content: expect.any(Array) });
    });

    test('completions of several prompts at a time, streamed and not', async () => {
      const completions = (fields: object = {}) =>
        new OpenAI({
          ...{ model: MODEL, apiKey: 'none', configuration: { baseURL: context.baseUrl() } },
          ...{ temperature: 0, maxTokens: 8, maxRetries: 0 },
          ...fields,
        });
      const prompts = ['Blyan is', 'A block'];
      const whole = await completions().generate(prompts);
      const texts = whole.generations.map(([generation]) => generation!.text);
      expect(texts).toEqual([
        await completions().invoke(prompts[0]!),
        await completions().invoke(prompts[1]!),
      ]);
      const { tokenUsage } = whole.llmOutput as { tokenUsage: Record<string, number> };
      expect(tokenUsage.totalTokens).toBe(tokenUsage.promptTokens! + tokenUsage.completionTokens!);
      const streamed = await completions({ streaming: true }).generate(prompts);
      expect(streamed.generations.map(([generation]) => generation!.text)).toEqual(texts);
    });

    test('a stream that is left ends the work', async () => {
      using _slow = await context.slow();
      const before = await context.answers();
      const leaving = new AbortController();
      const long = model({ temperature: 2, maxTokens: 1500 });
      const stream = await long.stream('Write a long story.', { signal: leaving.signal });
      let seen = 0;
      const reading = (async () => {
        for await (const chunk of stream) if (chunk.text && ++seen === 3) leaving.abort();
      })();
      expect(await refusalOf(reading)).toBeInstanceOf(Error);
      await context.untilCancelled(before);
    });

    test.each([
      ['a wrong parameter', { topP: 0 }, 'Hello', 400, 'out_of_range'],
      ['an unknown model', { model: 'none' }, 'Hello', 404, 'model_not_found'],
      [
        'a format that cannot be promised',
        { modelKwargs: { response_format: { type: 'json_object' } } },
        'Hello',
        400,
        'unsupported_value',
      ],
    ])('%s is a typed error', async (_name, fields, prompt, status, code) => {
      const refused = await refusalOf(model(fields).invoke(prompt));
      expect(refused).toMatchObject({ status, code });
    });

    test('a conversation over the context is known as such', async () => {
      const long = await refusalOf(model().invoke('word '.repeat(2500)));
      expect(ContextOverflowError.isInstance(long)).toBe(true);
      const longTogether = await refusalOf(model({ maxTokens: 2040 }).invoke('word '.repeat(50)));
      expect(ContextOverflowError.isInstance(longTogether)).toBe(true);
    });
  });
}
