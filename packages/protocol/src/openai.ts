/** The part of the HTTP API that OpenAI clients speak. Shapes as those clients were seen to use. */
import { z } from 'zod';
import { type ApiUsage, ChatMessage, type ErrorType, samplingFields, Text } from './api.ts';
import { TokenId } from './ids.ts';
import { MAX_CHOICES, MAX_MESSAGES, MAX_PROMPT_TOKENS, MAX_TOP_LOGPROBS } from './limits.ts';

const refusal = (path: string | (string | number)[], code: string, message: string) => ({
  code: 'custom' as const,
  path: [path].flat(),
  message,
  params: { code },
});

const sharedFields = {
  ...samplingFields,
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  /** Choice i is drawn with the seed plus i, modulo 2^53. */
  n: z.number().int().min(1).max(MAX_CHOICES).nullish(),
} as const;

/** `POST /v1/chat/completions`. */
export const ChatCompletionRequest = z
  .object({
    ...sharedFields,
    messages: z.array(ChatMessage).min(1).max(MAX_MESSAGES),
    max_completion_tokens: z.number().int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  })
  .superRefine((body, ctx) => {
    const last = body.messages.length - 1;
    if ((body.messages[last]?.content ?? '').trim() === '')
      ctx.addIssue(
        refusal(['messages', last, 'content'], 'empty_prompt', 'The last message is empty.'),
      );
    if (body.top_logprobs != null && !body.logprobs)
      ctx.addIssue(
        refusal('top_logprobs', 'invalid_value', 'Send "logprobs": true with "top_logprobs".'),
      );
  });
export type ChatCompletionRequest = z.infer<typeof ChatCompletionRequest>;

/** `POST /v1/completions`: continues a text as it is, without a chat template. */
export const CompletionRequest = z
  .object({
    ...sharedFields,
    prompt: z.union([Text.min(1), z.array(TokenId).min(1).max(MAX_PROMPT_TOKENS)], {
      error: 'expected a text or a list of token ids, not empty',
    }),
    logprobs: z.number().int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
    echo: z.boolean().nullish(),
    best_of: z.number().int().nullish(),
    suffix: z.string().nullish(),
  })
  .superRefine((body, ctx) => {
    const unsupported = (path: string, message: string) =>
      ctx.addIssue(refusal(path, 'unsupported_value', message));
    if (body.echo) unsupported('echo', 'The prompt cannot be echoed.');
    if (body.best_of != null && body.best_of !== (body.n ?? 1))
      unsupported('best_of', '"best_of" can only be equal to "n".');
    if (body.suffix) unsupported('suffix', 'Text in front of a suffix cannot be filled in.');
  });
export type CompletionRequest = z.infer<typeof CompletionRequest>;

/** `token` is its text, or its bytes as `\\xe2\\x80` where they are no whole characters. */
export interface LikelyToken {
  token: string;
  logprob: number;
  /** UTF-8. */
  bytes: number[];
}
export interface TokenOfContent extends LikelyToken {
  top_logprobs: LikelyToken[];
}
export interface ChatLogprobs {
  content: TokenOfContent[];
  refusal: null;
}

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: 'assistant'; content?: string; reasoning_content?: string };
    logprobs: ChatLogprobs | null;
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
    index: number;
    message: { role: 'assistant'; content: string; reasoning_content?: string; refusal: null };
    logprobs: ChatLogprobs | null;
    finish_reason: 'stop' | 'length';
  }[];
  usage: ApiUsage;
}

/** All lists are as long as `tokens`. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  /** By text of the token. */
  top_logprobs: Record<string, number>[];
  /** Characters of the text before each token, in UTF-16 units. */
  text_offset: number[];
}

/** Also the shape of a chunk, with what is new in it. */
export interface Completion {
  id: string;
  object: 'text_completion';
  created: number;
  model: string;
  choices: {
    index: number;
    text: string;
    /** Of a model that thinks, apart from its text. */
    reasoning_content?: string;
    logprobs: CompletionLogprobs | null;
    finish_reason: 'stop' | 'length' | null;
  }[];
  usage?: ApiUsage | null;
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
