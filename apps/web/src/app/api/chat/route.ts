import { ChatRequest } from '@blyan/protocol/api';
import { ask } from '@/server/answers/ask';
import { answerWhole, questionOf, streamAnswer } from '@/server/answers/chat';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: ChatRequest,
  limited: true,
  async handler({ body, ctx, request }) {
    const question = questionOf(body);
    if (!body.stream) return answerWhole(question, ctx, request.signal);
    return streamAnswer(await ask(question, ctx), '0', ctx, request.signal);
  },
});
