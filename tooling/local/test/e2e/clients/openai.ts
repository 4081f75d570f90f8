/** OpenAI's own client, unmodified. */
import OpenAI from 'openai';
import { describe, expect, test, vi } from 'vitest';
import { type ClientContext, HELLO, MODEL, PATIENT_MS, refusalOf } from './support.ts';

export function openaiTests(context: ClientContext): void {
  describe('openai', () => {
    const client = (options: object = {}) =>
      new OpenAI({ baseURL: context.baseUrl(), apiKey: 'none', maxRetries: 0, ...options });
    const greedy = { model: MODEL, messages: [HELLO], temperature: 0, max_tokens: 24 };

    test('a whole answer, at the root and under /api', async () => {
      const whole = await client().chat.completions.create(greedy);
      expect(whole).toMatchObject({
        object: 'chat.completion',
        model: MODEL,
        choices: [
          { index: 0, message: { role: 'assistant', content: expect.stringMatching(/\w/) } },
        ],
      });
      const { prompt_tokens: read, completion_tokens: written, total_tokens: all } = whole.usage!;
      expect(all).toBe(read + written);
      const other = await client({ baseURL: context.apiUrl() }).chat.completions.create(greedy);
      expect(other.choices).toEqual(whole.choices);
    });

    test('a stream with usage gives the same text', async () => {
      const whole = await client().chat.completions.create(greedy);
      const stream = await client().chat.completions.create({
        ...greedy,
        stream: true,
        stream_options: { include_usage: true },
      });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
        whole.choices[0]!.message.content,
      );
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
      expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
      expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe(whole.choices[0]!.finish_reason);
      expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
    });

    test("the client's own stream reader puts a message together", async () => {
      const runner = client().chat.completions.stream(greedy);
      let text = '';
      runner.on('content', (delta) => {
        text += delta;
      });
      const final = await runner.finalChatCompletion();
      expect(final.choices[0]!.message.content).toBe(text);
      expect(text).toMatch(/\w/);
    });

    test('a model that can think does it when asked to, apart from its text', async () => {
      const body = { ...greedy, max_tokens: 256, thinking: true };
      const { choices } = await client().chat.completions.create(body);
      const { content, ...message } = choices[0]!.message;
      expect(content).toMatch(/\w/);
      expect(message).toMatchObject({ reasoning_content: expect.stringMatching(/\w/) });
      const pieces = { content: '', reasoning_content: '' };
      for await (const chunk of await client().chat.completions.create({ ...body, stream: true })) {
        // A field that OpenAI's own types do not know.
        const delta: Partial<typeof pieces> = { ...chunk.choices[0]?.delta } as object;
        pieces.content += delta.content ?? '';
        pieces.reasoning_content += delta.reasoning_content ?? '';
      }
      expect({ ...message, content }).toMatchObject(pieces);
      const plain = await client().chat.completions.create(greedy);
      expect(plain.choices[0]!.message).not.toHaveProperty('reasoning_content');
    });

    test('stop, seed, n and log-probabilities', async () => {
      const { choices } = await client().chat.completions.create(greedy);
      const said = choices[0]!.message.content!;
      const word = said.split(' ')[2]!;
      for (const stop of [word, ['never said', word]]) {
        const cut = await client().chat.completions.create({ ...greedy, stop });
        expect(cut.choices[0]!.finish_reason).toBe('stop');
        expect(cut.choices[0]!.message.content).toBe(said.slice(0, said.indexOf(word)));
      }
      // The model recommends filters; `top_k` is no field of OpenAI's, and goes through all the same.
      const open = { ...greedy, temperature: 2, top_p: 1, top_k: 0 };
      const hot = { ...open, seed: 7, n: 2, logprobs: true, top_logprobs: 2 };
      const drawn = await client().chat.completions.create(hot);
      const again = await client().chat.completions.create(hot);
      expect(again.choices).toEqual(drawn.choices);
      expect(drawn.choices[0]!.message.content).not.toBe(drawn.choices[1]!.message.content);
      for (const { message, logprobs } of drawn.choices) {
        const bytes = logprobs!.content!.flatMap((token) => token.bytes ?? []);
        expect(message.content).toContain(Buffer.from(bytes).toString('utf8').slice(0, -4));
        expect(logprobs!.content!.every(({ top_logprobs: top }) => top.length === 2)).toBe(true);
      }
    });

    test('completions and models', async () => {
      const body = { model: MODEL, prompt: 'Blyan is', temperature: 0, max_tokens: 8 };
      const whole = await client().completions.create(body);
      const stream = await client().completions.create({ ...body, stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
      expect(text).toBe(whole.choices[0]!.text);
      const models = await client().models.list();
      expect(models.data.map(({ id }) => id)).toEqual([MODEL]);
      expect(await client().models.retrieve(MODEL)).toEqual(models.data[0]);
    });

    test('a stream that is aborted ends the work', async () => {
      using _slow = await context.slow();
      const before = await context.answers();
      const stream = await client().chat.completions.create({
        ...greedy,
        messages: [{ role: 'user', content: 'Write a long story.' }],
        temperature: 2,
        max_tokens: 1500,
        stream: true,
      });
      let seen = 0;
      // Leaving the loop aborts the request, as this client documents it.
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content && ++seen === 3) break;
      }
      await context.untilCancelled(before);
    });

    test('a whole answer that is aborted ends the work', async () => {
      using _slow = await context.slow();
      const before = await context.answers();
      const leaving = new AbortController();
      const asked = client().chat.completions.create(
        { ...greedy, temperature: 2, max_tokens: 1500 },
        { signal: leaving.signal },
      );
      const refused = refusalOf(asked);
      await vi.waitFor(
        async () => expect((await context.answers()).length).toBeGreaterThan(before.length),
        { timeout: PATIENT_MS },
      );
      leaving.abort();
      expect(await refused).toBeInstanceOf(OpenAI.APIUserAbortError);
      await context.untilCancelled(before);
    });

    test.each([
      ['a wrong parameter', { temperature: 9 }, 400, 'out_of_range', 'temperature'],
      ['no message', { messages: [] }, 400, 'invalid_length', 'messages'],
      [
        'a format that cannot be promised',
        { response_format: { type: 'json_object' as const } },
        400,
        'unsupported_value',
        'response_format',
      ],
      ['an unknown model', { model: 'none' }, 404, 'model_not_found', 'model'],
      [
        'a prompt over the context',
        { messages: [{ role: 'user' as const, content: 'word '.repeat(2500) }] },
        400,
        'context_length_exceeded',
        'messages',
      ],
      [
        'a body over the limit',
        { messages: [{ role: 'user' as const, content: 'x'.repeat(2 ** 20) }] },
        413,
        'body_too_large',
        null,
      ],
    ])('%s is a typed error', async (_name, change, status, code, param) => {
      for (const stream of [false, true]) {
        const refused = await refusalOf(
          client().chat.completions.create({ ...greedy, ...change, stream }),
        );
        expect(refused).toBeInstanceOf(OpenAI.APIError);
        expect(refused).toMatchObject({ status, code, param });
      }
    });
  });
}
