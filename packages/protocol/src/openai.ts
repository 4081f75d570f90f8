/** The part of the HTTP API that OpenAI clients speak. Shapes as those clients were seen to use. */
import { z } from 'zod';
import { ApiUsage, ChatMessage, samplingFields, Text } from './api.ts';
import { TokenId } from './ids.ts';
import {
  MAX_ANSWERS,
  MAX_CHOICES,
  MAX_MESSAGES,
  MAX_PROMPT_TOKENS,
  MAX_PROMPTS,
  MAX_TOP_LOGPROBS,
} from './limits.ts';

const refusal = (path: string | (string | number)[], code: string, message: string) => ({
  code: 'custom' as const,
  path: [path].flat(),
  message,
  params: { code },
});

/**
 * A field of OpenAI's that would change what the answer is, and that cannot be done here: only values that
 * ask for nothing are taken. An answer without what was asked for would look like one with it.
 */
const only = (isNothing: (value: unknown) => boolean, message: string) =>
  z
    .unknown()
    .refine((value) => value == null || isNothing(value), {
      error: message,
      params: { code: 'unsupported_value' },
    })
    .optional()
    .meta({ description: message });
const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;
const isTyped = (type: string) => (value: unknown) =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === type;

const unsupportedFields = {
  response_format: only(
    isTyped('text'),
    '"response_format" can only be {"type":"text"}: answers are not held to a format.',
  ),
  tools: only(isEmptyList, '"tools" can only be an empty list: tools are not called here.'),
  tool_choice: only((value) => value === 'none', '"tool_choice" can only be "none".'),
  functions: only(isEmptyList, '"functions" can only be an empty list: none is called here.'),
  function_call: only((value) => value === 'none', '"function_call" can only be "none".'),
  modalities: only(
    (value) => Array.isArray(value) && value.every((item) => item === 'text'),
    '"modalities" can only be ["text"].',
  ),
  audio: only(() => false, '"audio" cannot be had: answers are text.'),
  web_search_options: only(() => false, '"web_search_options": the web is not searched here.'),
} as const;

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
    ...unsupportedFields,
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

const PromptIds = z.array(TokenId).min(1).max(MAX_PROMPT_TOKENS);
const PROMPT = 'expected a text, a list of token ids, or a list of one of them, not empty';

/** `POST /v1/completions`: continues each text as it is, without a chat template. */
export const CompletionRequest = z
  .object({
    ...sharedFields,
    prompt: z
      .union([Text.min(1), PromptIds, z.array(Text.min(1)).min(1), z.array(PromptIds).min(1)], {
        error: PROMPT,
      })
      .meta({
        description: `Or a list of at most ${MAX_PROMPTS}: choice j of prompt i has the index i * n + j.`,
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
    const prompts = promptsOf(body.prompt).length;
    const answers = prompts * (body.n ?? 1);
    if (prompts > MAX_PROMPTS)
      ctx.addIssue(
        refusal('prompt', 'invalid_length', `Send at most ${MAX_PROMPTS} prompts at a time.`),
      );
    else if (answers > MAX_ANSWERS)
      ctx.addIssue(
        refusal(
          'n',
          'out_of_range',
          `These are ${answers} answers; one request gets at most ${MAX_ANSWERS}.`,
        ),
      );
  });
export type CompletionRequest = z.infer<typeof CompletionRequest>;

/** The prompts of a request, one or more. */
export function promptsOf(
  prompt: string | number[] | string[] | number[][],
): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as string[] | number[][]);
}

/** `token` is its text, or its bytes as `\\xe2\\x80` where they are no whole characters. */
export const LikelyToken = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int()).meta({ description: 'UTF-8.' }),
});
export type LikelyToken = z.infer<typeof LikelyToken>;

export const TokenOfContent = LikelyToken.extend({ top_logprobs: z.array(LikelyToken) });
export type TokenOfContent = z.infer<typeof TokenOfContent>;

export const ChatLogprobs = z.object({ content: z.array(TokenOfContent), refusal: z.null() });
export type ChatLogprobs = z.infer<typeof ChatLogprobs>;

const FinishedBy = z.enum(['stop', 'length']);
const index = z.number().int();
const created = z.number().int().meta({ description: 'Unix seconds.' });
/** Of a model that thinks, apart from its text. */
const reasoning_content = z
  .string()
  .meta({ description: 'The thinking part, apart from the text.' })
  .optional();

export const ChatCompletionChunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created,
  model: z.string(),
  choices: z.array(
    z.object({
      index,
      delta: z.object({
        role: z.literal('assistant').optional(),
        content: z.string().optional(),
        reasoning_content,
      }),
      logprobs: ChatLogprobs.nullable(),
      finish_reason: FinishedBy.nullable(),
    }),
  ),
  usage: ApiUsage.nullish(),
});
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunk>;

export const ChatCompletion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created,
  model: z.string(),
  choices: z.array(
    z.object({
      index,
      message: z.object({
        role: z.literal('assistant'),
        content: z.string(),
        reasoning_content,
        refusal: z.null(),
      }),
      logprobs: ChatLogprobs.nullable(),
      finish_reason: FinishedBy,
    }),
  ),
  usage: ApiUsage,
});
export type ChatCompletion = z.infer<typeof ChatCompletion>;

/** All lists are as long as `tokens`. */
export const CompletionLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z
    .array(z.record(z.string(), z.number()))
    .meta({ description: 'By text of the token.' }),
  text_offset: z.array(z.number().int()).meta({
    description: 'Characters of the text before each token, in UTF-16 units.',
  }),
});
export type CompletionLogprobs = z.infer<typeof CompletionLogprobs>;

/** Also the shape of a chunk, with what is new in it. */
export const Completion = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created,
  model: z.string(),
  choices: z.array(
    z.object({
      index,
      text: z.string(),
      reasoning_content,
      logprobs: CompletionLogprobs.nullable(),
      finish_reason: FinishedBy.nullable(),
    }),
  ),
  usage: ApiUsage.nullish(),
});
export type Completion = z.infer<typeof Completion>;

export const ModelObject = z.object({
  id: z.string(),
  object: z.literal('model'),
  created,
  owned_by: z.string(),
});
export type ModelObject = z.infer<typeof ModelObject>;

/** The segments of an address: names may hold a slash, like those of a hub. */
export const ModelParams = z.object({ id: z.array(z.string()).min(1) });
export const ModelList = z.object({ object: z.literal('list'), data: z.array(ModelObject) });
