import { CompletionRequest } from '@blyan/protocol/openai';
import { continueStream, continueWhole } from '@/server/answers/completions';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: CompletionRequest,
  limited: true,
  handler: ({ body, ctx, request }) =>
    body.stream
      ? continueStream(body, ctx, request.signal)
      : continueWhole(body, ctx, request.signal),
});
