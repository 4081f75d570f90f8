import { ChatRequest, ChatStreamQuery, StreamEntryId } from '@blyan/protocol/api';
import { ask, findAsked } from '@/server/answers/ask';
import { questionOf, questionOfQuery, streamAnswer } from '@/server/answers/chat';
import { ApiError, notFound } from '@/server/http/errors';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** Where to go on: the browser's own header first, then the query for clients that cannot set it. */
function lastEntry(request: Request, fromQuery?: string): string {
  const id = request.headers.get('last-event-id') || fromQuery;
  if (!id) return '0';
  if (StreamEntryId.safeParse(id).success) return id;
  throw new ApiError(400, 'invalid_value', 'Last-Event-ID is not an event id of this stream.', {
    param: 'last_event_id',
  });
}

export const GET = route({
  querySchema: ChatStreamQuery,
  // To read on in an answer is free.
  limited: ({ prompt }) => prompt !== undefined,
  async handler({ query, request, ctx }) {
    const from = lastEntry(request, query.last_event_id);
    if (query.prompt === undefined) {
      const asked = await findAsked(query.id ?? '', ctx);
      if (!asked) throw notFound('answer_not_found', 'There is no answer with this id.', 'id');
      return streamAnswer(asked, from, ctx, request.signal);
    }
    // A reconnect repeats its address: without an id of the client's it would ask a second time.
    if (from !== '0' && !query.id)
      throw new ApiError(
        409,
        'id_required',
        'To reconnect to an answer that was asked by GET, choose its "id" yourself (20 to 64 unguessable characters).',
        { param: 'id' },
      );
    return streamAnswer(await ask(questionOfQuery(query), ctx), from, ctx, request.signal);
  },
});

export const POST = route({
  bodySchema: ChatRequest,
  limited: true,
  async handler({ body, request, ctx }) {
    const from = body.id ? lastEntry(request) : '0';
    return streamAnswer(await ask(questionOf(body), ctx), from, ctx, request.signal);
  },
});
