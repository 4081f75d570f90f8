/** Answers in the shapes of OpenAI's chat completions. */
import type { AnswerFinish, Usage } from '@blyan/protocol/answer';
import type { ApiErrorBody } from '@blyan/protocol/api';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
} from '@blyan/protocol/openai';
import type { Context } from '../context.ts';
import { shuttingDown, toApiError } from '../http/errors.ts';
import { openLine } from '../http/line.ts';
import { encodeComment, encodeSse, sseResponse } from '../http/sse.ts';
import { type Asked, ask, cancel, type Question } from './ask.ts';
import { collectAnswer } from './collect.ts';
import { answerFailure } from './failure.ts';
import { followAnswer, rowError } from './follow.ts';
import { apiUsage } from './provenance.ts';

const completionId = (id: string) => `chatcmpl-${id}`;
/** OpenAI clients know no third reason; a cancelled answer has nobody left who reads it. */
const finishReason = (reason: AnswerFinish['reason']) => (reason === 'length' ? 'length' : 'stop');

function questionOfCompletion(body: ChatCompletionRequest): Question {
  const { stop } = body;
  return {
    id: null,
    model: body.model ?? null,
    messages: body.messages,
    promptField: 'messages',
    thinking: body.thinking ?? false,
    params: {
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      maxTokensField: body.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens',
      temperature: body.temperature,
      topP: body.top_p,
      topK: body.top_k,
      minP: body.min_p,
      seed: body.seed,
    },
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
  };
}

export async function completeWhole(
  body: ChatCompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<ChatCompletion> {
  const created = Math.floor(Date.now() / 1000);
  const asked = await ask(questionOfCompletion(body), ctx);
  const { text, thinking, finish } = await collectAnswer(asked, ctx, client);
  return {
    id: completionId(asked.id),
    object: 'chat.completion',
    created,
    model: asked.model.name,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text,
          ...(thinking ? { reasoning_content: thinking } : {}),
          refusal: null,
        },
        logprobs: null,
        finish_reason: finishReason(finish.reason),
      },
    ],
    usage: apiUsage(finish.usage),
  };
}

/** A reader that leaves ends the work: these clients never come back for the rest. */
export async function completeStream(
  body: ChatCompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<Response> {
  const asked = await ask(questionOfCompletion(body), ctx);
  const line = openLine(client, ctx.stopping.cut);
  const write = chunkWriter({
    id: completionId(asked.id),
    created: Math.floor(Date.now() / 1000),
    model: asked.model.name,
    includeUsage: body.stream_options?.include_usage ?? false,
  });
  return sseResponse(completionEvents(asked, write, ctx, line.signal), (ended) => {
    line.close();
    if (!ended) cancel(asked.id, ctx).catch((err) => ctx.logger.warn({ err }, 'cancelling failed'));
  });
}

async function* completionEvents(
  { id, deadline }: Asked,
  write: ChunkWriter,
  ctx: Context,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield write.role();
  try {
    for await (const entry of followAnswer({ id, from: '0', deadline }, ctx, signal)) {
      if ('replaced' in entry) {
        // The text that was sent already cannot be taken back in this protocol.
        yield write.error(answerFailure(rowError(entry.replaced)).body);
        return;
      }
      const { event } = entry;
      switch (event.type) {
        case 'tokens':
          if (event.thinking) yield write.thinking(event.thinking);
          if (event.text) yield write.text(event.text);
          break;
        case 'phase':
          yield encodeComment(
            event.phase === 'queued' ? `queued position=${event.ahead ?? 0}` : event.phase,
          );
          break;
        case 'attempt':
          yield encodeComment('continuing on another worker');
          break;
        case 'finish':
          if (event.text) yield write.text(event.text);
          yield write.finish(finishReason(event.reason), event.usage);
          return;
        case 'error':
          yield write.error(answerFailure(event).body);
          return;
      }
    }
    // Aborted: by the client, who reads no more, or because this process ends.
    await cancel(id, ctx);
    yield write.error(shuttingDown().body);
  } catch (error) {
    ctx.logger.error({ err: error }, 'stream failed');
    yield write.error(toApiError(error).body);
  }
}

type ChunkWriter = ReturnType<typeof chunkWriter>;

/** Encodes the chunks of one completion. What all of them share is turned into JSON once. */
export function chunkWriter(options: {
  id: string;
  created: number;
  model: string;
  includeUsage: boolean;
}) {
  type Choice = ChatCompletionChunk['choices'][number];
  const { includeUsage, ...shared } = options;
  const head = JSON.stringify({ ...shared, object: 'chat.completion.chunk' }).slice(0, -1);
  const noUsage = includeUsage ? ',"usage":null' : '';
  const chunk = (choices: string, usage = noUsage) =>
    encodeSse({ data: `${head},"choices":[${choices}]${usage}}` });
  const choice = (delta: Choice['delta'], reason: Choice['finish_reason'] = null) =>
    JSON.stringify({ index: 0, delta, logprobs: null, finish_reason: reason } satisfies Choice);
  return {
    role: () => chunk(choice({ role: 'assistant', content: '' })),
    text: (content: string) => chunk(choice({ content })),
    thinking: (text: string) => chunk(choice({ reasoning_content: text })),
    finish: (reason: 'stop' | 'length', usage: Usage) =>
      chunk(choice({}, reason)) +
      (includeUsage ? chunk('', `,"usage":${JSON.stringify(apiUsage(usage))}`) : '') +
      encodeSse({ data: '[DONE]' }),
    error: (body: ApiErrorBody) => encodeSse({ data: JSON.stringify(body) }),
  };
}
