/**
 * The HTTP API: what a client may send and what it gets. Browser-safe; the web app validates with
 * these schemas and its pages parse answers with the types.
 *
 * `null` means absent everywhere, because OpenAI clients send it. Unknown fields are ignored.
 */
import { z } from 'zod';
import { BlockRef } from './answer.ts';
import { BlockType } from './explorer.ts';
import { Hash, RequestId, TokenId } from './ids.ts';
import {
  MAX_LOGIT_BIAS,
  MAX_MESSAGES,
  MAX_STOP_LENGTH,
  MAX_STOP_STRINGS,
  MAX_STOP_TOKENS,
} from './limits.ts';
import { Bias, Penalty, RepetitionPenalty } from './sampling.ts';

/** Most blocks on one page of `/chain/{id}/blocks`, with bodies and without. */
export const MAX_PAGE_WITH_BODIES = 100;
export const MAX_PAGE = 500;

export const ErrorType = z.enum([
  'invalid_request_error',
  'authentication_error',
  'not_found_error',
  'rate_limit_error',
  'service_unavailable',
  'server_error',
]);
export type ErrorType = z.infer<typeof ErrorType>;

export const ApiErrorBody = z.object({
  error: z.object({
    message: z.string(),
    type: ErrorType,
    code: z.string().nullable(),
    param: z.string().nullable(),
  }),
});
export type ApiErrorBody = z.infer<typeof ApiErrorBody>;

/** A half of a surrogate pair is no character: no tokenizer and no database takes it. */
const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text);
/** PostgreSQL's text holds every character but NUL. */
export const isStorable = (text: string): boolean => isWellFormed(text) && !text.includes('\0');

/** Any text that is read; what is stored as text is held to `isStorable`. */
export const Text = z.string().refine(isWellFormed, {
  error: 'expected well-formed Unicode: half of a surrogate pair stands alone',
});

const TextPart = z.object({ type: z.literal('text'), text: Text });

export const ChatMessage = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content: z.union([Text, z.array(TextPart).max(MAX_MESSAGES)], {
      error: 'expected a string or a list of {"type":"text","text":...} parts',
    }),
  })
  .transform(({ role, content }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content: typeof content === 'string' ? content : content.map((part) => part.text).join(''),
  }));
export type ChatMessage = z.infer<typeof ChatMessage>;

const STOP_REFUSED = 'expected well-formed Unicode without NUL';

const blank = (text: string) => text.trim() === '';

const Messages = z
  .array(ChatMessage)
  .min(1)
  .max(MAX_MESSAGES)
  .superRefine((messages, ctx) => {
    const last = messages.length - 1;
    if (!blank(messages[last]?.content ?? '')) return;
    ctx.addIssue({
      code: 'custom',
      path: [last, 'content'],
      message: 'The last message is empty.',
      params: { code: 'empty_prompt' },
    });
  });

/** Fields of a generation that both APIs share. Bounds that belong to a model are checked later. */
export const samplingFields = {
  model: z
    .string()
    .min(1)
    .max(256)
    .nullish()
    .meta({ description: 'Name on the chain; default: the newest that a worker serves.' }),
  max_tokens: z.number().int().min(1).nullish().meta({ description: 'Longest answer.' }),
  temperature: z.number().min(0).max(2).nullish().meta({ description: '0 is greedy.' }),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .nullish()
    .meta({ description: 'Keeps the fewest tokens that together have this probability.' }),
  top_k: z
    .number()
    .int()
    .min(-1)
    .max(0x7fffffff)
    .nullish()
    // As in other servers.
    .meta({ description: 'Keeps the k likeliest tokens; 0 and -1 are off.' }),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .meta({ description: "Keeps tokens with this part of the best one's probability." }),
  repetition_penalty: RepetitionPenalty.nullish(),
  presence_penalty: Penalty.nullish(),
  frequency_penalty: Penalty.nullish(),
  logit_bias: z
    .record(z.string(), Bias)
    .refine((bias) => Object.keys(bias).every((key) => /^(0|[1-9]\d{0,8})$/.test(key)), {
      error: 'expected token ids as keys',
    })
    .refine((bias) => Object.keys(bias).length <= MAX_LOGIT_BIAS, {
      error: `expected at most ${MAX_LOGIT_BIAS} tokens`,
      params: { code: 'invalid_length' },
    })
    .nullish()
    // A vocabulary's bound is checked later.
    .meta({ description: 'By token id; added to the logit.' }),
  seed: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .nullish()
    .meta({ description: 'The same seed gives the same answer; default: drawn.' }),
  stop_token_ids: z.array(TokenId).max(MAX_STOP_TOKENS).nullish().meta({
    description: "They end the answer; like the model's own they are no part of the text.",
  }),
  stop: z
    .union(
      [
        z.string().min(1).max(MAX_STOP_LENGTH),
        z.array(z.string().min(1).max(MAX_STOP_LENGTH)).max(MAX_STOP_STRINGS),
      ],
      {
        error: `expected a string or a list of at most ${MAX_STOP_STRINGS} strings of 1 to ${MAX_STOP_LENGTH} characters`,
      },
    )
    .refine((stop) => [stop].flat().every(isStorable), { error: STOP_REFUSED })
    .nullish()
    .meta({ description: 'Ends the answer before it.' }),
  stream: z.boolean().nullish(),
  thinking: z.boolean().nullish().meta({
    description: 'Lets the model think first, where its template knows how. Default: off.',
  }),
} as const;

const ChatFields = z.object({
  ...samplingFields,
  prompt: Text.nullish(),
  messages: Messages.nullish(),
  max_new_tokens: z.number().int().min(1).nullish(),
  /**
   * Chosen by the client, unguessable: asking twice with one id gives one answer. Makes a retry or
   * the reconnect of an EventSource harmless.
   */
  id: RequestId.nullish(),
});

/** `POST /chat`, `POST /chat/stream`. */
export const ChatRequest = ChatFields.superRefine((body, ctx) => {
  const refuse = (path: string, code: string, message: string) =>
    ctx.addIssue({ code: 'custom', path: [path], message, params: { code } });
  if (body.prompt == null && body.messages == null)
    refuse('prompt', 'missing_field', 'Send "prompt" or "messages".');
  if (body.prompt != null && body.messages != null)
    refuse('prompt', 'conflicting_fields', 'Send either "prompt" or "messages", not both.');
  if (body.prompt != null && blank(body.prompt))
    refuse('prompt', 'empty_prompt', 'The prompt is empty.');
  if (body.max_tokens != null && body.max_new_tokens != null)
    refuse(
      'max_new_tokens',
      'conflicting_fields',
      'Same meaning as "max_tokens": send one of them.',
    );
});
export type ChatRequest = z.infer<typeof ChatRequest>;

const queryNumber = z.coerce.number();
const queryFlag = z.stringbool({ truthy: ['1', 'true'], falsy: ['0', 'false'], case: 'sensitive' });

/** `GET /chat/stream`: `prompt` starts an answer, `id` alone resumes one, both do whichever fits. */
export const ChatStreamQuery = z
  .object({
    id: RequestId.optional(),
    prompt: Text.optional(),
    model: z.string().min(1).max(256).optional(),
    max_tokens: queryNumber.pipe(z.number().int().min(1)).optional(),
    temperature: queryNumber.pipe(z.number().min(0).max(2)).optional(),
    top_p: queryNumber.pipe(z.number().gt(0).max(1)).optional(),
    top_k: queryNumber.pipe(z.number().int().min(-1).max(0x7fffffff)).optional(),
    min_p: queryNumber.pipe(z.number().min(0).max(1)).optional(),
    repetition_penalty: queryNumber.pipe(RepetitionPenalty).optional(),
    presence_penalty: queryNumber.pipe(Penalty).optional(),
    frequency_penalty: queryNumber.pipe(Penalty).optional(),
    seed: queryNumber.pipe(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)).optional(),
    stop: z
      .string()
      .min(1)
      .max(MAX_STOP_LENGTH)
      .refine(isStorable, { error: STOP_REFUSED })
      .optional(),
    thinking: queryFlag.optional(),
    /** For clients that cannot set the `Last-Event-ID` header. */
    last_event_id: z.string().optional(),
  })
  .superRefine((query, ctx) => {
    if (query.prompt === undefined && query.id === undefined)
      ctx.addIssue({
        code: 'custom',
        path: ['prompt'],
        message: 'Send "prompt" to start an answer or "id" to resume one.',
        params: { code: 'missing_field' },
      });
    if (query.prompt !== undefined && blank(query.prompt))
      ctx.addIssue({
        code: 'custom',
        path: ['prompt'],
        message: 'The prompt is empty.',
        params: { code: 'empty_prompt' },
      });
  });
export type ChatStreamQuery = z.infer<typeof ChatStreamQuery>;

/** Id of an entry of the canonical stream, as an SSE `id:`. */
export const StreamEntryId = z
  .string()
  .regex(/^\d{1,15}-\d{1,15}$/, 'expected an event id like 12-0');

export const ApiUsage = z.object({
  prompt_tokens: z.number().int(),
  completion_tokens: z.number().int(),
  total_tokens: z.number().int(),
});
export type ApiUsage = z.infer<typeof ApiUsage>;

/** Where an answer came from: a summary of its receipt, with the addresses to check it. */
export const Provenance = z.object({
  /** Hash of chain A's genesis. */
  genesis: z.string(),
  model: z.object({ name: z.string(), block: BlockRef }),
  layers: z.object({
    count: z.number().int(),
    first: BlockRef.extend({ group: z.string() }),
    last: BlockRef.extend({ group: z.string() }),
  }),
  nodes: z.array(z.object({ id: z.string(), layers: z.tuple([z.number(), z.number()]) })),
  seed: z.number(),
  tokens_per_second: z.number().nullable(),
  first_token_ms: z.number().nullable(),
  total_ms: z.number(),
  /** Path of the whole receipt on this server. */
  receipt: z.string(),
});
export type Provenance = z.infer<typeof Provenance>;

export const FinishReason = z.enum(['stop', 'length', 'cancelled']);
export type FinishReason = z.infer<typeof FinishReason>;

/** Answer of `POST /chat` without `stream`. */
export const ChatResponse = z.object({
  id: z.string(),
  model: z.string(),
  response: z.string(),
  thinking: z.string().optional(),
  finish_reason: FinishReason,
  usage: ApiUsage,
  provenance: Provenance,
});
export type ChatResponse = z.infer<typeof ChatResponse>;

export const CancelParams = z.object({ id: RequestId });
export const Cancelled = z.object({ id: z.string(), cancelled: z.literal(true) });

/** Events of `/chat/stream`: `event:` is the key, `data:` the JSON of the value. */
export type ChatStreamEvents = {
  start: { id: string; model: string; block: BlockRef | null; prompt_tokens: number; seed: number };
  phase: {
    phase: 'queued' | 'waiting' | 'prefill' | 'retry';
    ahead?: number;
    done?: number;
    total?: number;
    reason?: string;
  };
  /** `replace`: the text of the whole answer so far, in place of all that was sent before. */
  token: { position: number; count: number; text: string; thinking?: string; replace?: boolean };
  /** `text` is the tail that was held back behind the last token. */
  done: {
    id: string;
    text: string;
    finish_reason: FinishReason;
    usage: ApiUsage;
    provenance: Provenance;
  };
  error: ApiErrorBody;
};

/**
 * `GET /chain/{id}/blocks`: heights from `from` upwards; without it the newest ones, newest first, below
 * `before` if that is given.
 */
export const BlocksQuery = z
  .object({
    from: queryNumber.pipe(z.number().int().min(0).max(0x7fffffff)).optional(),
    before: queryNumber.pipe(z.number().int().min(0).max(0x7fffffff)).optional(),
    limit: queryNumber.pipe(z.number().int().min(1).max(MAX_PAGE)).default(50),
    bodies: queryFlag.default(false),
    type: BlockType.optional(),
    author: Hash.optional(),
    format: z.enum(['json', 'csv']).optional(),
  })
  .superRefine((query, ctx) => {
    const refuse = (path: string, message: string, code: string) =>
      ctx.addIssue({ code: 'custom', path: [path], message, params: { code } });
    if (query.bodies && query.limit > MAX_PAGE_WITH_BODIES)
      refuse(
        'limit',
        `At most ${MAX_PAGE_WITH_BODIES} blocks a page with bodies=1.`,
        'out_of_range',
      );
    if (query.bodies && (query.type || query.author || query.format === 'csv'))
      refuse('bodies', 'Whole blocks come unfiltered, as JSON.', 'unsupported');
    if (query.from !== undefined && query.before !== undefined)
      refuse('before', 'Either `from` or `before`: they go opposite ways.', 'conflict');
  });
export type BlocksQuery = z.infer<typeof BlocksQuery>;
