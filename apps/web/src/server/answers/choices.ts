/** Several answers, to one question or more, as one stream for an OpenAI client. */
import type { AnswerFinish, Usage } from '@blyan/protocol/answer';
import type { ApiErrorBody } from '@blyan/protocol/api';
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import type { Context } from '../context.ts';
import { shuttingDown, toApiError } from '../http/errors.ts';
import { openLine } from '../http/line.ts';
import { encodeComment, encodeSse, sseResponse } from '../http/sse.ts';
import { type Asked, abandon } from './ask.ts';
import { answerFailure } from './failure.ts';
import { followAnswer, rowError } from './follow.ts';
import { type ShownToken, ShownTokens } from './logprobs.ts';

/** What became certain of an answer. */
interface Part {
  text: string;
  thinking: string;
  /** With log-probabilities, where they were asked for. */
  shown: ShownToken[];
}

/** Encodes what happens to the choice of an index; `start` and `end` may be ''. */
export interface ChoiceWriter {
  start(index: number): string;
  part(index: number, part: Part): string;
  finish(index: number, reason: 'stop' | 'length'): string;
  /** Behind all choices. */
  end(usage: Usage): string;
}

/** OpenAI clients know no third reason; a cancelled answer has nobody left who reads it. */
export const finishReason = (reason: AnswerFinish['reason']) =>
  reason === 'length' ? 'length' : 'stop';

/** A prompt was read once, whatever the number of answers to `each`. */
export function sumUsage(usages: Usage[], each = usages.length): Usage {
  const prompts = usages.filter((_, index) => index % each === 0);
  return {
    promptTokens: prompts.reduce((sum, usage) => sum + usage.promptTokens, 0),
    completionTokens: usages.reduce((sum, usage) => sum + usage.completionTokens, 0),
  };
}

/** A reader that leaves ends the work: these clients never come back for the rest. */
export function streamChoices(
  asked: Asked[],
  write: ChoiceWriter,
  ctx: Context,
  client: AbortSignal,
  each = asked.length,
): Response {
  const line = openLine(client, ctx.stopping.cut);
  return sseResponse(events({ asked, each, write }, ctx, line.signal), (ended) => {
    line.close();
    if (!ended) void abandonAll(asked, ctx);
  });
}

const abandonAll = (asked: Asked[], ctx: Context) =>
  abandon(
    asked.map(({ id }) => id),
    ctx,
  );
const encodeError = (body: ApiErrorBody) => encodeSse({ data: JSON.stringify(body) });

async function* events(
  { asked, each, write }: { asked: Asked[]; each: number; write: ChoiceWriter },
  ctx: Context,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const tokens = asked.map(() => new ShownTokens());
  /** By index. */
  const usages = new Map<number, Usage>();
  for (const index of asked.keys()) {
    const start = write.start(index);
    if (start) yield start;
  }
  try {
    const entries = merge(
      asked.map(({ id, deadline }) => followAnswer({ id, from: '0', deadline }, ctx, signal)),
    );
    for await (const [index, entry] of entries) {
      const failure = failureOf(entry);
      if (failure) {
        // An answer to the question has all of its choices or is none.
        await abandonAll(asked, ctx);
        yield encodeError(failure.body);
        return;
      }
      const { event } = entry as AnswerEntry;
      switch (event.type) {
        case 'tokens': {
          const { text, thinking = '' } = event;
          const shown = tokens[index]!.take(event);
          if (text || thinking || shown.length > 0)
            yield write.part(index, { text, thinking, shown });
          break;
        }
        case 'phase':
          yield encodeComment(
            event.phase === 'queued' ? `queued position=${event.ahead ?? 0}` : event.phase,
          );
          break;
        case 'attempt':
          yield encodeComment('continuing on another worker');
          break;
        case 'finish': {
          const { text } = event;
          const shown = tokens[index]!.take(event);
          if (text || shown.length > 0) yield write.part(index, { text, thinking: '', shown });
          yield write.finish(index, finishReason(event.reason));
          usages.set(index, event.usage);
        }
      }
    }
    if (usages.size === asked.length) {
      const inOrder = asked.map((_, index) => usages.get(index)!);
      yield write.end(sumUsage(inOrder, each)) + encodeSse({ data: '[DONE]' });
      return;
    }
    // Aborted: by the client, who reads no more, or because this process ends.
    await abandonAll(asked, ctx);
    yield encodeError(shuttingDown().body);
  } catch (error) {
    ctx.logger.error({ err: error }, 'stream failed');
    await abandonAll(asked, ctx);
    yield encodeError(toApiError(error).body);
  }
}

type Followed = Awaited<ReturnType<ReturnType<typeof followAnswer>['next']>>['value'];

function failureOf(entry: Followed) {
  // The text that was sent already cannot be taken back in this protocol.
  if ('replaced' in entry) return answerFailure(rowError(entry.replaced));
  return entry.event.type === 'error' ? answerFailure(entry.event) : null;
}

/**
 * Yields what any source has, with the source's index. A consumer that leaves early ends each source
 * when that comes to its next value: abort what they wait for.
 */
async function* merge<T>(sources: AsyncGenerator<T>[]): AsyncGenerator<[index: number, value: T]> {
  const next = async (index: number) => ({ index, result: await sources[index]!.next() });
  const waiting = new Map(sources.map((_, index) => [index, next(index)]));
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values());
      if (result.done) waiting.delete(index);
      else {
        waiting.set(index, next(index));
        yield [index, result.value];
      }
    }
  } finally {
    // Nobody is left who could be told of a failure.
    for (const pending of waiting.values()) pending.catch(() => undefined);
    for (const source of sources) source.return(undefined).catch(() => undefined);
  }
}
