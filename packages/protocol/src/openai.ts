/** The part of the HTTP API that OpenAI clients speak. Shapes as those clients were seen to use. */
import { z } from 'zod';
import { type ApiUsage, ChatMessage, type ErrorType, samplingFields } from './api.ts';
import { MAX_MESSAGES } from './limits.ts';

const unsupported = (path: string, message: string) => ({
  code: 'custom' as const,
  path: [path],
  message,
  params: { code: 'unsupported_value' },
});

/** `POST /v1/chat/completions`. */
export const ChatCompletionRequest = z
  .object({
    ...samplingFields,
    messages: z.array(ChatMessage).min(1).max(MAX_MESSAGES),
    max_completion_tokens: z.number().int().min(1).nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    n: z.number().int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
  })
  .superRefine((body, ctx) => {
    const last = body.messages.length - 1;
    if ((body.messages[last]?.content ?? '').trim() === '')
      ctx.addIssue({
        code: 'custom',
        path: ['messages', last, 'content'],
        message: 'The last message is empty.',
        params: { code: 'empty_prompt' },
      });
    if (body.n != null && body.n > 1)
      ctx.addIssue(unsupported('n', 'Only one choice a request is supported.'));
    if (body.logprobs) ctx.addIssue(unsupported('logprobs', 'logprobs are not supported.'));
  });
export type ChatCompletionRequest = z.infer<typeof ChatCompletionRequest>;

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: 0;
    delta: { role?: 'assistant'; content?: string; reasoning_content?: string };
    logprobs: null;
    finish_reason: 'stop' | 'length' | null;
  }[];
  usage?: ApiUsage | null;
}

export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: 0;
    message: { role: 'assistant'; content: string; reasoning_content?: string; refusal: null };
    logprobs: null;
    finish_reason: 'stop' | 'length';
  }[];
  usage: ApiUsage;
}

export interface ModelObject {
  id: string;
  object: 'model';
  /** Unix seconds. */
  created: number;
  owned_by: string;
}

export interface OpenAiError {
  message: string;
  type: ErrorType;
  param: string | null;
  code: string | null;
}
