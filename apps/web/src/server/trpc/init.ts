import { initTRPC, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { type Context, context } from '../context.ts';
import { toApiError } from '../http/errors.ts';

const t = initTRPC.context<Context>().create({ transformer: superjson });

export const createTrpcContext = () => context();
export const router = t.router;
export const createCaller = t.createCallerFactory;

const CODES = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
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
