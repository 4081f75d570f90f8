import { MAX_BODY_BYTES } from '@blyan/protocol/limits';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import { ApiError } from '@/server/http/errors';
import { createTrpcContext } from '@/server/trpc/init';
import { appRouter } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

const handler = (req: Request) => {
  // tRPC reads a body whole; browsers always say how long it is.
  const length = Number(req.headers.get('content-length') ?? (req.method === 'POST' ? NaN : 0));
  if (!(length <= MAX_BODY_BYTES))
    return new ApiError(
      413,
      'body_too_large',
      `Send at most ${MAX_BODY_BYTES} bytes, and say so.`,
      {
        headers: { connection: 'close' },
      },
    ).toResponse();
  return fetchRequestHandler({
    endpoint: '/api/trpc',
    req,
    router: appRouter,
    createContext: createTrpcContext,
  });
};

export { handler as GET, handler as POST };
