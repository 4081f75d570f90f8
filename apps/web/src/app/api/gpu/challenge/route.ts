import { ChallengeRequest } from '@blyan/protocol/register';
import { challengeNode } from '@/server/gpu/register';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: ChallengeRequest,
  handler: ({ body, request, ctx }) => challengeNode(body, request.headers, ctx),
});
