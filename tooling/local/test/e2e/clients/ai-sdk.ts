/** The AI SDK with its provider for OpenAI-compatible servers, unmodified. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, streamText, tool } from 'ai';
import { describe, expect, test } from 'vitest';
import { type ClientContext, MODEL, refusalOf } from './support.ts';

export function aiSdkTests(context: ClientContext): void {
  describe('@ai-sdk/openai-compatible', () => {
    // This one sends no key at all when it has none.
    const model = (name = MODEL) =>
      createOpenAICompatible({
        name: 'blyan',
        baseURL: context.baseUrl(),
        includeUsage: true,
      }).chatModel(name);
    const greedy = { prompt: 'Hello', temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

    test('a whole answer and a stream, with usage', async () => {
      const whole = await generateText({ model: model(), ...greedy });
      expect(whole.text).toMatch(/\w/);
      expect(['stop', 'length']).toContain(whole.finishReason);
      const streamed = streamText({ model: model(), ...greedy });
      let text = '';
      for await (const delta of streamed.textStream) text += delta;
      expect(text).toBe(whole.text);
      expect(await streamed.finishReason).toBe(whole.finishReason);
      const { inputTokens, outputTokens } = await streamed.usage;
      expect(outputTokens).toBeGreaterThan(0);
      expect(whole.usage).toMatchObject({ inputTokens, outputTokens });
    });

    test('stop and seed', async () => {
      const { text } = await generateText({ model: model(), ...greedy });
      const word = text.split(' ')[2]!;
      const cut = await generateText({ model: model(), ...greedy, stopSequences: [word] });
      expect(cut.text).toBe(text.slice(0, text.indexOf(word)));
      expect(cut.finishReason).toBe('stop');
      const drawn = () => generateText({ model: model(), ...greedy, temperature: 2, seed: 7 });
      expect((await drawn()).text).toBe((await drawn()).text);
    });

    test('a stream that is aborted ends the work', async () => {
      using _slow = await context.slow();
      const before = await context.answers();
      const leaving = new AbortController();
      const { textStream } = streamText({
        model: model(),
        prompt: 'Write a long story.',
        temperature: 2,
        maxOutputTokens: 1500,
        abortSignal: leaving.signal,
      });
      let seen = 0;
      for await (const _delta of textStream) if (++seen === 3) leaving.abort();
      await context.untilCancelled(before);
    });

    test.each([
      ['a wrong parameter', { ...greedy, topP: 0 }, MODEL, 400, /top_p/],
      ['an unknown model', greedy, 'none', 404, /no model named "none"/],
      [
        'tools',
        { ...greedy, tools: { look: tool({ inputSchema: jsonSchema({ type: 'object' }) }) } },
        MODEL,
        400,
        /"tools" can only be/,
      ],
      [
        'a prompt over the context',
        { ...greedy, prompt: 'word '.repeat(2500) },
        MODEL,
        400,
        /maximum context length is \d+ tokens/,
      ],
    ])('%s is a typed error', async (_name, call, name, status, words) => {
      const refused = await refusalOf(generateText({ model: model(name), ...call }));
      expect(APICallError.isInstance(refused)).toBe(true);
      expect(refused).toMatchObject({ statusCode: status, message: expect.stringMatching(words) });
    });
  });
}
