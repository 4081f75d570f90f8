/** Procedures for admins: a session, for changes our own Origin, for keys a proof of a moment ago. */
import { assertOwnOrigin } from '../../admin/origin.ts';
import { requireConfirmed, requireSession } from '../../admin/session.ts';
import { procedure } from '../init.ts';

export const adminProcedure = procedure.use(async ({ next, ctx, type }) => {
  const headers = ctx.headers ?? new Headers();
  // The cookie alone does not tell whose page it was that asked.
  if (type === 'mutation') assertOwnOrigin(headers, ctx.config.publicOrigin);
  const session = await requireSession(ctx, headers);
  return await next({ ctx: { session, actor: session.actor } });
});

export const confirmedProcedure = adminProcedure.use(({ next, ctx }) => {
  requireConfirmed(ctx.session);
  return next();
});
