/** Answers in the shapes of OpenAI's chat completions. */
import type { Tokenizer } from '@blyan/model/tokenizer';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
} from '@blyan/protocol/openai';
import type { Context } from '../context.ts';
import { encodeSse } from '../http/sse.ts';
import { askChoices, type Question } from './ask.ts';
import { type ChoiceWriter, finishReason, streamChoices, sumUsage } from './choices.ts';
import { collectChoices } from './collect.ts';
import { chatLogprobs } from './logprobs.ts';
import { sharedParams } from './params.ts';
import { apiUsage } from './provenance.ts';

const completionId = (id: string) => `chatcmpl-${id}`;

function questionOfCompletion(body: ChatCompletionRequest): Question {
  return {
    id: null,
    model: body.model ?? null,
    prompt: { messages: body.messages, thinking: body.thinking ?? false },
    promptField: 'messages',
    params: {
      ...sharedParams(body),
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      maxTokensField: body.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens',
      logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
    },
    stop: [body.stop ?? []].flat(),
  };
}

export async function completeWhole(
  body: ChatCompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<ChatCompletion> {
  const created = Math.floor(Date.now() / 1000);
  const { asked, tokenizer } = await askChoices([questionOfCompletion(body)], body.n ?? 1, ctx);
  const answers = await collectChoices(asked, ctx, client);
  return {
    id: completionId(asked[0]!.id),
    object: 'chat.completion',
    created,
    model: asked[0]!.model.name,
    choices: answers.map(({ text, thinking, tokens, finish }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: text,
        ...(thinking ? { reasoning_content: thinking } : {}),
        refusal: null,
      },
      logprobs: tokens && chatLogprobs(tokens, tokenizer),
      finish_reason: finishReason(finish.reason),
    })),
    usage: apiUsage(sumUsage(answers.map(({ finish }) => finish.usage))),
  };
}

export async function completeStream(
  body: ChatCompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<Response> {
  const { asked, tokenizer } = await askChoices([questionOfCompletion(body)], body.n ?? 1, ctx);
  const write = chunkWriter({
    id: completionId(asked[0]!.id),
    created: Math.floor(Date.now() / 1000),
    model: asked[0]!.model.name,
    includeUsage: body.stream_options?.include_usage ?? false,
    tokenizer,
  });
  return streamChoices(asked, write, ctx, client);
}

/** Encodes the chunks of one completion. What all of them share is turned into JSON once. */
export function chunkWriter(options: {
  id: string;
  created: number;
  model: string;
  includeUsage: boolean;
  tokenizer: Tokenizer;
}): ChoiceWriter {
  type Choice = ChatCompletionChunk['choices'][number];
  const { includeUsage, tokenizer, ...shared } = options;
  const head = JSON.stringify({ ...shared, object: 'chat.completion.chunk' }).slice(0, -1);
  const noUsage = includeUsage ? ',"usage":null' : '';
  const chunk = (choices: string, usage = noUsage) =>
    encodeSse({ data: `${head},"choices":[${choices}]${usage}}` });
  const choice = (index: number, delta: Choice['delta'], more: Partial<Choice> = {}) => {
    const whole: Choice = { index, delta, logprobs: null, finish_reason: null, ...more };
    return chunk(JSON.stringify(whole));
  };
  return {
    start: (index) => choice(index, { role: 'assistant', content: '' }),
    part(index, { text, thinking, shown }) {
      const thought = thinking ? choice(index, { reasoning_content: thinking }) : '';
      if (text === '' && shown.length === 0) return thought;
      const logprobs = shown.length > 0 ? chatLogprobs(shown, tokenizer) : null;
      return thought + choice(index, { content: text }, { logprobs });
    },
    finish: (index, reason) => choice(index, {}, { finish_reason: reason }),
    end: (usage) => (includeUsage ? chunk('', `,"usage":${JSON.stringify(apiUsage(usage))}`) : ''),
  };
}
