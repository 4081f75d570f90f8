import { HeartbeatRequest } from '@blyan/protocol/register';
import { heartbeat } from '@/server/gpu/heartbeat';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const POST = route({
  bodySchema: HeartbeatRequest,
  handler: ({ body, request, ctx }) => heartbeat(body, request.headers, ctx),
});
