import { RegisterRequest } from '@blyan/protocol/node';
import { route } from '@/server/http/route';
import { registerNode } from '@/server/nodes';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: RegisterRequest,
  handler: ({ body, request, ctx }) => registerNode(body, request.headers, ctx),
});
