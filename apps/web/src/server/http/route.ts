/** Routes are declared: what they take and what they do. Parsing and errors are here, once. */
import { MAX_BODY_BYTES } from '@blyan/protocol/limits';
import type { z } from 'zod';
import { callerAddress } from '../../door/caller.ts';
import { type Context, context } from '../context.ts';
import { type Admission, admit, UNLIMITED } from '../limits/admission.ts';
import { readJson } from './body.ts';
import { ApiError, toApiError } from './errors.ts';

type Parsed<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : undefined;

interface RouteSpec<
  B extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  P extends z.ZodType | undefined,
> {
  bodySchema?: B;
  querySchema?: Q;
  paramsSchema?: P;
  /** Whether the request may begin an answer, and so is counted and may be refused by limits. */
  limited?: boolean | ((query: Parsed<Q>) => boolean);
  /** A wrong key is refused, although the route costs nothing: clients try theirs here. */
  keyed?: boolean;
  /** Returns a response, or a value that is sent as JSON with status 200. */
  handler(input: {
    body: Parsed<B>;
    query: Parsed<Q>;
    params: Parsed<P>;
    request: Request;
    ctx: Context;
  }): Promise<Response | object>;
}

type Handler = (
  request: Request,
  segment: { params: Promise<Record<string, string | string[] | undefined>> },
) => Promise<Response>;

/** What a route validates with, for the test that the API's document says the same. */
export interface RouteSchemas {
  bodySchema?: z.ZodType | undefined;
  querySchema?: z.ZodType | undefined;
  paramsSchema?: z.ZodType | undefined;
}

export function route<
  B extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  P extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<B, Q, P>): Handler & { schemas: RouteSchemas } {
  // The signal of a Request falls silent once the Request is collected (undici holds it weakly), and a
  // handler that waits for an answer may hold nothing else of it.
  const inFlight = new Set<Request>();
  const handle: Handler = async (request, segment) => {
    inFlight.add(request);
    let ctx: Context | undefined;
    let admission = UNLIMITED;
    try {
      const params = spec.paramsSchema?.parse(await segment.params) as Parsed<P>;
      const search = Object.fromEntries(new URL(request.url).searchParams);
      const query = spec.querySchema?.parse(search) as Parsed<Q>;
      ctx = context();
      const { limited = false } = spec;
      if (typeof limited === 'function' ? limited(query) : limited) {
        refuseElsewhere(request.headers);
        // Before the body is read: whoever is refused costs nothing more.
        admission = await admit(request.headers, callerAddress(), ctx.limits);
        ctx = { ...ctx, admission };
      } else if (spec.keyed) await ctx.limits.callers.of(request.headers, callerAddress());
      const body = spec.bodySchema?.parse(await readJson(request, MAX_BODY_BYTES)) as Parsed<B>;
      const result = await spec.handler({ body, query, params, request, ctx });
      const response =
        result instanceof Response
          ? result
          : Response.json(result, { headers: { 'cache-control': 'no-store' } });
      return withHeaders(response, admission);
    } catch (error) {
      const failure = toApiError(error);
      if (failure.status >= 500 && failure.cause)
        ctx?.logger.error(
          {
            err: failure.cause,
            path: new URL(request.url).pathname,
            // The door's own (door/door.ts): what the client was told.
            request: request.headers.get('x-request-id'),
          },
          'request failed',
        );
      return withHeaders(failure.toResponse(), admission);
    } finally {
      admission.taken();
      inFlight.delete(request);
    }
  };
  const { bodySchema, querySchema, paramsSchema } = spec;
  return Object.assign(handle, { schemas: { bodySchema, querySchema, paramsSchema } });
}

/**
 * A frame, a window or a form of another site: browsers send no origin when they fetch a page, and an
 * address of ours may begin an answer. Links to our pages stay good.
 * @throws ApiError 403
 */
function refuseElsewhere(headers: Headers): void {
  const site = headers.get('sec-fetch-site');
  // With an origin the door has looked at it.
  if (headers.has('origin') || (site !== 'cross-site' && site !== 'same-site')) return;
  throw new ApiError(403, 'origin_not_allowed', 'Another site may not ask here for its visitors.');
}

function withHeaders(response: Response, admission: Admission): Response {
  for (const [name, value] of Object.entries(admission.headers()))
    response.headers.set(name, value);
  return response;
}
