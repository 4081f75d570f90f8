import { initTRPC, TRPCError } from '@trpc/server';
import type { FetchCreateContextFnOptions } from '@trpc/server/adapters/fetch';
import superjson from 'superjson';
import { type Context, context } from '../context.ts';
import { toApiError } from '../http/errors.ts';
import { openSession, type Session } from '../session.ts';

export interface TrpcContext extends Context {
  session: Session;
}

const t = initTRPC.context<TrpcContext>().create({
  transformer: superjson,
  // Pages act on our own codes.
  errorFormatter: ({ shape, error }) => ({
    ...shape,
    data: { ...shape.data, apiCode: error.cause ? toApiError(error.cause).code : null },
  }),
});

export function createTrpcContext({ req, resHeaders }: FetchCreateContextFnOptions): TrpcContext {
  const protocol = req.headers.get('x-forwarded-proto') ?? new URL(req.url).protocol;
  const session = openSession(req.headers.get('cookie'), {
    secure: protocol.startsWith('https'),
    setCookie: (cookie) => resHeaders.append('set-cookie', cookie),
  });
  return { ...context(), session };
}

/** For pages: they read, and cannot set a cookie. */
export const pageContext = (cookies: string | null): TrpcContext => ({
  ...context(),
  session: openSession(cookies, { secure: false, setCookie: () => undefined }),
});

export const router = t.router;
export const createCaller = t.createCallerFactory;

const CODES = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
} as const;

/** Typed failures become tRPC's; the one place for it. */
export const procedure = t.procedure.use(async ({ next, ctx }) => {
  const result = await next();
  if (result.ok || !result.error.cause) return result;
  const failure = toApiError(result.error.cause);
  if (failure.cause) ctx.logger.error({ err: failure.cause }, 'procedure failed');
  const code = CODES[failure.status as keyof typeof CODES] ?? 'INTERNAL_SERVER_ERROR';
  throw new TRPCError({ code, message: failure.message, cause: failure });
});
