import { describe, expect, test } from 'vitest';
import { BlocksQuery, ChatRequest, ChatStreamQuery, StreamEntryId } from '../src/api.ts';
import { Assignment } from '../src/assignment.ts';
import { firstProblem } from '../src/issues.ts';
import { NodeCapacity } from '../src/node.ts';
import { ChatCompletionRequest, CompletionRequest, promptsOf } from '../src/openai.ts';
import { NEUTRAL, SamplingParams } from '../src/sampling.ts';

type Requests = typeof ChatRequest | typeof ChatCompletionRequest | typeof CompletionRequest;
const problem = (schema: Requests, body: unknown) => {
  const result = schema.safeParse(body);
  if (result.success) throw new Error('expected a refusal');
  return firstProblem(result.error);
};

describe('POST /chat', () => {
  test('a prompt is enough; unknown fields are ignored; null is absent', () => {
    const body = ChatRequest.parse({ prompt: 'Hello', max_tokens: 50, top_p: null, whatever: 1 });
    expect(body).toEqual({ prompt: 'Hello', max_tokens: 50, top_p: null });
  });

  test('NUL and whole surrogate pairs are text that a model may read', () => {
    const body = { prompt: 'a\0 \u{1f600}', stop: '\u{1f600}' };
    expect(ChatRequest.parse(body)).toEqual(body);
  });

  test('text parts are joined and developer means system', () => {
    const body = ChatRequest.parse({
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    });
    expect(body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'ab' },
    ]);
  });

  test.each([
    [{}, 'prompt', 'missing_field'],
    [{ prompt: '' }, 'prompt', 'empty_prompt'],
    [{ prompt: ' \n' }, 'prompt', 'empty_prompt'],
    [{ prompt: 5 }, 'prompt', 'invalid_type'],
    [{ prompt: 'a', messages: [{ role: 'user', content: 'a' }] }, 'prompt', 'conflicting_fields'],
    [{ prompt: 'a', max_tokens: -1 }, 'max_tokens', 'out_of_range'],
    [{ prompt: 'a', max_tokens: 0 }, 'max_tokens', 'out_of_range'],
    [{ prompt: 'a', max_tokens: 1.5 }, 'max_tokens', 'invalid_type'],
    [{ prompt: 'a', max_tokens: '50' }, 'max_tokens', 'invalid_type'],
    [{ prompt: 'a', max_tokens: 1, max_new_tokens: 1 }, 'max_new_tokens', 'conflicting_fields'],
    [{ prompt: 'a', temperature: 3 }, 'temperature', 'out_of_range'],
    [{ prompt: 'a', top_p: 0 }, 'top_p', 'out_of_range'],
    [{ prompt: 'a', seed: -1 }, 'seed', 'out_of_range'],
    [{ prompt: 'a', repetition_penalty: 0 }, 'repetition_penalty', 'out_of_range'],
    [{ prompt: 'a', repetition_penalty: 2.1 }, 'repetition_penalty', 'out_of_range'],
    [{ prompt: 'a', presence_penalty: -2.1 }, 'presence_penalty', 'out_of_range'],
    [{ prompt: 'a', frequency_penalty: '1' }, 'frequency_penalty', 'invalid_type'],
    [{ prompt: 'a', logit_bias: { 5: 101 } }, 'logit_bias.5', 'out_of_range'],
    [{ prompt: 'a', logit_bias: { word: 1 } }, 'logit_bias', 'invalid_value'],
    [{ prompt: 'a', logit_bias: { '05': 1 } }, 'logit_bias', 'invalid_value'],
    [{ prompt: 'a', logit_bias: { 1.5: 1 } }, 'logit_bias', 'invalid_value'],
    [{ prompt: 'a', logit_bias: [1] }, 'logit_bias', 'invalid_type'],
    [
      {
        prompt: 'a',
        logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, i) => [i, 1])),
      },
      'logit_bias',
      'invalid_length',
    ],
    [{ prompt: 'a', stop_token_ids: [-1] }, 'stop_token_ids.0', 'out_of_range'],
    [{ prompt: 'a', stop_token_ids: Array(33).fill(1) }, 'stop_token_ids', 'invalid_length'],
    [{ prompt: 'a', stop: ['1', '2', '3', '4', '5'] }, 'stop', 'invalid_type'],
    [{ prompt: 'a', stop: 'a\0' }, 'stop', 'invalid_value'],
    [{ prompt: 'a', stop: ['b', '\ud800'] }, 'stop', 'invalid_value'],
    [{ prompt: 'half \ud83d' }, 'prompt', 'invalid_value'],
    [{ prompt: 'a', id: 'short' }, 'id', 'invalid_value'],
    [{ messages: [] }, 'messages', 'invalid_length'],
    [{ messages: [{ role: 'user', content: '' }] }, 'messages.0.content', 'empty_prompt'],
    [{ messages: [{ role: 'robot', content: 'a' }] }, 'messages.0.role', 'invalid_value'],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content', 'invalid_type'],
    [{ messages: [{ role: 'user', content: 'a\udc00' }] }, 'messages.0.content', 'invalid_value'],
    ['text', null, 'invalid_type'],
    [null, null, 'invalid_type'],
  ])('refuses %j', (body, param, code) => {
    expect(problem(ChatRequest, body)).toMatchObject({ param, code });
  });
});

describe('POST /v1/chat/completions', () => {
  test('reads what clients send', () => {
    const body = ChatCompletionRequest.parse({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      max_completion_tokens: 8,
      stream: true,
      stream_options: { include_usage: true },
      stop: 'END',
      n: 1,
      user: 'someone',
    });
    expect(body.max_completion_tokens).toBe(8);
    expect(body.stream_options?.include_usage).toBe(true);
  });

  test('takes fields of what it cannot do when they ask for nothing', () => {
    const nothing = {
      response_format: { type: 'text' },
      tools: [],
      tool_choice: 'none',
      functions: null,
      function_call: 'none',
      modalities: ['text'],
      audio: null,
    };
    const body = { messages: [{ role: 'user', content: 'Hi' }], ...nothing };
    expect(ChatCompletionRequest.safeParse(body).error).toBeUndefined();
  });

  test.each([
    [{ messages: [{ role: 'user', content: 'a' }], n: 9 }, 'n', 'out_of_range'],
    [{ messages: [{ role: 'user', content: 'a' }], n: 0 }, 'n', 'out_of_range'],
    [{ messages: [{ role: 'user', content: 'a' }], logprobs: 5 }, 'logprobs', 'invalid_type'],
    [
      { messages: [{ role: 'user', content: 'a' }], top_logprobs: 2 },
      'top_logprobs',
      'invalid_value',
    ],
    [
      { messages: [{ role: 'user', content: 'a' }], logprobs: true, top_logprobs: 21 },
      'top_logprobs',
      'out_of_range',
    ],
    [{ prompt: 'a' }, 'messages', 'missing_field'],
    [{ messages: [{ role: 'user', content: ' ' }] }, 'messages.0.content', 'empty_prompt'],
  ])('refuses %j', (body, param, code) => {
    expect(problem(ChatCompletionRequest, body)).toMatchObject({ param, code });
  });

  test.each<[field: string, value: unknown]>([
    ['response_format', { type: 'json_object' }],
    ['response_format', { type: 'json_schema', json_schema: { name: 'x' } }],
    ['response_format', 'text'],
    ['tools', [{ type: 'function', function: { name: 'look' } }]],
    ['tool_choice', 'auto'],
    ['tool_choice', { type: 'function', function: { name: 'look' } }],
    ['functions', [{ name: 'look' }]],
    ['function_call', 'auto'],
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'alloy', format: 'wav' }],
    ['web_search_options', {}],
  ])('refuses %s of %j by its name', (field, value) => {
    const body = { messages: [{ role: 'user', content: 'a' }], [field]: value };
    const { param, code, message } = problem(ChatCompletionRequest, body);
    expect({ param, code }).toEqual({ param: field, code: 'unsupported_value' });
    expect(message).toContain(`"${field}"`);
  });
});

describe('POST /v1/completions', () => {
  test('takes a text or token ids', () => {
    expect(CompletionRequest.parse({ prompt: ' ' }).prompt).toBe(' ');
    const body = CompletionRequest.parse({ prompt: [1, 2], logprobs: 5, n: 8, best_of: 8 });
    expect(body).toMatchObject({ prompt: [1, 2], logprobs: 5, n: 8 });
  });

  test.each([
    ['a', ['a']],
    [[1, 2], [[1, 2]]],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      [[1, 2], [3]],
      [[1, 2], [3]],
    ],
  ])('the prompts of %j', (prompt, prompts) => {
    expect(promptsOf(CompletionRequest.parse({ prompt }).prompt)).toEqual(prompts);
  });

  test.each([
    [{}, 'prompt', 'invalid_type'],
    [{ prompt: '' }, 'prompt', 'invalid_length'],
    [{ prompt: [] }, 'prompt', 'invalid_type'],
    [{ prompt: [[]] }, 'prompt.0', 'invalid_length'],
    [{ prompt: ['a', ''] }, 'prompt.1', 'invalid_length'],
    [{ prompt: ['a', 1] }, 'prompt', 'invalid_type'],
    [{ prompt: ['a', [1]] }, 'prompt', 'invalid_type'],
    [{ prompt: [[1], ['a']] }, 'prompt', 'invalid_type'],
    [{ prompt: Array(21).fill('a') }, 'prompt', 'invalid_length'],
    [{ prompt: Array(5).fill('a'), n: 7 }, 'n', 'out_of_range'],
    [{ prompt: 'a', logprobs: true }, 'logprobs', 'invalid_type'],
    [{ prompt: 'a', logprobs: 21 }, 'logprobs', 'out_of_range'],
    [{ prompt: 'a', echo: true }, 'echo', 'unsupported_value'],
    [{ prompt: 'a', suffix: 'b' }, 'suffix', 'unsupported_value'],
    [{ prompt: 'a', n: 2, best_of: 3 }, 'best_of', 'unsupported_value'],
  ])('refuses %j', (body, param, code) => {
    expect(problem(CompletionRequest, body)).toMatchObject({ param, code });
  });
});

test('parameters that were written before there were more of them are off', () => {
  const old = { maxTokens: 8, temperature: 0.6, topP: 0.95, topK: 20, minP: 0, seed: 1 };
  expect(SamplingParams.parse(old)).toEqual({ ...NEUTRAL, ...old });
});

describe('queries', () => {
  test('numbers and flags arrive as text', () => {
    expect(ChatStreamQuery.parse({ prompt: 'a', max_tokens: '5', thinking: '1' })).toEqual({
      prompt: 'a',
      max_tokens: 5,
      thinking: true,
    });
    expect(BlocksQuery.parse({ from: '3', limit: '500' })).toEqual({
      from: 3,
      limit: 500,
      bodies: false,
    });
  });

  test.each([
    [BlocksQuery, { limit: '0' }],
    [BlocksQuery, { limit: '501' }],
    [BlocksQuery, { limit: '101', bodies: '1' }],
    [BlocksQuery, { from: '-1' }],
    [BlocksQuery, { from: 'x' }],
    [ChatStreamQuery, {}],
    [ChatStreamQuery, { prompt: '' }],
    [ChatStreamQuery, { prompt: 'a', max_tokens: '' }],
    [StreamEntryId, '5'],
    [StreamEntryId, '$'],
    [StreamEntryId, '1-0; DROP'],
  ])('refuses', (schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

test('GET /chat/stream refuses a stop text with NUL', () => {
  expect(ChatStreamQuery.safeParse({ prompt: 'a', stop: 'a\0' }).success).toBe(false);
});

test.each([
  ['https://node.example:9401', true],
  ['http://[fd00::2]:9401/weights/', true],
  ['http://10.0.0.2/admin?delete=1&', false],
  ['http://10.0.0.2/?', false],
  ['http://10.0.0.2/admin#', false],
  ['http://root:secret@10.0.0.2', false],
  ['ftp://10.0.0.2', false],
  ['file:///etc/passwd', false],
])('a node serves its blobs at %s: %s', (blobUrl, right) => {
  const capacity = { memoryBytes: 1, weightBytesPerSecond: 1, addresses: [], blobUrl };
  expect(NodeCapacity.safeParse(capacity).success).toBe(right);
  const assignment = {
    id: '00000000-0000-4000-8000-000000000000',
    model: 'ab'.repeat(32),
    stages: [{ nodeId: 'node-1', publicKey: '0'.repeat(64), layers: [0, 1], addresses: [] }],
    frames: 'f32',
    blobSources: [blobUrl],
  };
  expect(Assignment.safeParse(assignment).success).toBe(right);
});
