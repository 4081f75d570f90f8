import { gpuStatus } from '@/server/gpu/status';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

export const GET = route({
  handler: ({ request, ctx }) => gpuStatus(request.headers, ctx),
});
