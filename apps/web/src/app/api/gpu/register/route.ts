import { RegisterRequest } from '@blyan/protocol/register';
import { registerNode } from '@/server/gpu/register';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: RegisterRequest,
  handler: ({ body, request, ctx }) => registerNode(body, request.headers, ctx),
});
