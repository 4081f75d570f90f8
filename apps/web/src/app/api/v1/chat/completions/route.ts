import { ChatCompletionRequest } from '@blyan/protocol/openai';
import { completeStream, completeWhole } from '@/server/answers/openai';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: ChatCompletionRequest,
  limited: true,
  handler: ({ body, ctx, request }) =>
    body.stream
      ? completeStream(body, ctx, request.signal)
      : completeWhole(body, ctx, request.signal),
});
