/** `/chat` and `/chat/stream`: from the request to the answer. */
import type { ChatRequest, ChatResponse, ChatStreamQuery } from '@blyan/protocol/api';
import type { Context } from '../context.ts';
import { openLine } from '../http/line.ts';
import { sseResponse } from '../http/sse.ts';
import { type Asked, ask, type Question } from './ask.ts';
import { collectAnswer } from './collect.ts';
import { encodeEntry, encodeEvent, encodeRow } from './events.ts';
import { followAnswer } from './follow.ts';
import { sharedParams } from './params.ts';
import { apiUsage, provenanceOf } from './provenance.ts';

export function questionOf(body: ChatRequest): Question {
  const { prompt, messages, stop } = body;
  return {
    id: body.id ?? null,
    model: body.model ?? null,
    prompt: {
      messages: messages ?? [{ role: 'user', content: prompt ?? '' }],
      thinking: body.thinking ?? false,
    },
    promptField: messages ? 'messages' : 'prompt',
    params: {
      ...sharedParams(body),
      maxTokens: body.max_tokens ?? body.max_new_tokens,
      maxTokensField: body.max_new_tokens == null ? 'max_tokens' : 'max_new_tokens',
    },
    stop: [stop ?? []].flat(),
  };
}

export function questionOfQuery({ prompt = '', id, ...query }: ChatStreamQuery): Question {
  return questionOf({ ...query, prompt, id: id ?? null });
}

export async function answerWhole(
  question: Question,
  ctx: Context,
  client: AbortSignal,
): Promise<ChatResponse> {
  const asked = await ask(question, ctx);
  const { id, model } = asked;
  const { text, thinking, finish } = await collectAnswer(asked, ctx, client, {
    // Whoever chose the id can ask for the answer again after a broken line.
    goesOnAlone: question.id !== null,
  });
  return {
    id,
    model: model.name,
    response: text,
    ...(thinking ? { thinking } : {}),
    finish_reason: finish.reason,
    usage: apiUsage(finish.usage),
    provenance: provenanceOf(finish.receipt),
  };
}

/**
 * Streams an answer from an entry on. A reader that leaves does not end the answer: it may be a
 * page that is being refreshed, and will come back for the rest.
 */
export function streamAnswer(
  asked: Asked,
  from: string,
  ctx: Context,
  client: AbortSignal,
): Response {
  const line = openLine(client, ctx.stopping.cut);
  return sseResponse(events(asked, from, ctx, line.signal), line.close);
}

async function* events(
  asked: Asked,
  from: string,
  ctx: Context,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { id, model, promptTokens, params, deadline } = asked;
  yield encodeEvent('start', {
    id,
    model: model.name,
    block: model.block,
    prompt_tokens: promptTokens,
    seed: params.seed,
  });
  for await (const entry of followAnswer({ id, from, deadline }, ctx, signal)) {
    yield 'replaced' in entry ? encodeRow(entry.replaced) : encodeEntry(id, entry);
  }
}
