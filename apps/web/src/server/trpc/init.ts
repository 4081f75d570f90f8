import { initTRPC, TRPCError } from '@trpc/server';
import type { FetchCreateContextFnOptions } from '@trpc/server/adapters/fetch';
import superjson from 'superjson';
import { callerAddress } from '../../door/caller.ts';
import { refuseForeignOrigin } from '../admin/origin.ts';
import { type Context, context } from '../context.ts';
import { toApiError } from '../http/errors.ts';
import { admit } from '../limits/admission.ts';
import { openSession, type Session } from '../session.ts';

export interface TrpcContext extends Context {
  /** Of the HTTP request; null for calls of server components that need none. */
  headers: Headers | null;
  /** Of the browser, without a sign-in. */
  session: Session;
}

const t = initTRPC.context<TrpcContext>().create({
  transformer: superjson,
  // The codes of the HTTP API, for pages that do something about one of them, and when to try again.
  errorFormatter: ({ shape, error }) => {
    const failure = error.cause ? toApiError(error.cause) : null;
    const seconds = Number(failure?.headers['retry-after']);
    return {
      ...shape,
      data: {
        ...shape.data,
        reason: failure?.code ?? null,
        retryAfterMs: seconds > 0 ? seconds * 1000 : null,
      },
    };
  },
});

export function createTrpcContext({ req, resHeaders }: FetchCreateContextFnOptions): TrpcContext {
  const protocol = req.headers.get('x-forwarded-proto') ?? new URL(req.url).protocol;
  const session = openSession(req.headers.get('cookie'), {
    secure: protocol.startsWith('https'),
    setCookie: (cookie) => resHeaders.append('set-cookie', cookie),
  });
  return { ...context(), headers: req.headers, session };
}

/** For pages: they read, and cannot set a cookie. */
export const pageContext = (cookies: string | null): TrpcContext => ({
  ...context(),
  headers: null,
  session: openSession(cookies, { secure: false, setCookie: () => undefined }),
});

export const router = t.router;
export const createCaller = t.createCallerFactory;

const CODES = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
} as const;

/** Typed failures become tRPC's; the one place for it. */
const mapped = t.procedure.use(async ({ next, ctx }) => {
  const result = await next();
  if (result.ok || !result.error.cause) return result;
  const failure = toApiError(result.error.cause);
  if (failure.cause) ctx.logger.error({ err: failure.cause }, 'procedure failed');
  const code = CODES[failure.status as keyof typeof CODES] ?? 'INTERNAL_SERVER_ERROR';
  throw new TRPCError({ code, message: failure.message, cause: failure });
});

export const procedure = mapped.use(({ next, ctx, type }) => {
  if (type === 'mutation' && ctx.headers) refuseForeignOrigin(ctx.headers, ctx.config.publicOrigin);
  return next();
});

/** For what may begin an answer: counted, and refused by limits and a full line, as the HTTP API does. */
export const limitedProcedure = procedure.use(async ({ next, ctx }) => {
  const admission = await admit(ctx.headers ?? new Headers(), callerAddress(), ctx.limits);
  try {
    return await next({ ctx: { ...ctx, admission } });
  } finally {
    admission.taken();
  }
});
